"""Requests to operations: finds the row of the table, checks token and input, answers in a thread, says errors.

The path is split before it is percent-decoded, so that an application's name may contain a slash (``%2F``).
"""

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from console.page import assets
from console.page.access.guard import MOST_BODY
from console.page.access.sessions import Client
from console.page.api.operation import Answer, Call, Operation
from console.page.api.table import OPERATIONS
from console.page.live.stream import Broadcast, event_stream
from console.page.problems import Fault, Problem
from console.page.service import PageService
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.service.config_file import load_secrets
from qos.system import clock

log = logging.getLogger("page")

_THREADS: Final = 2
"""Each has a connection to the store with its cache; a third would cost memory and win nothing."""


class PageApplication:
    """The ASGI application behind the guard."""

    def __init__(self, service: PageService, broadcast: Broadcast) -> None:
        self._service, self._broadcast = service, broadcast
        self._assets = assets.load_assets()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error of ours is a 500 that says nothing but is logged."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = problem.response()
        except ClientDisconnect:
            return
        except ConfigError as error:
            response = Problem(422, error.lines[0], [Fault("", line) for line in error.lines]).response()
        except StoreUnavailable as error:
            after = str(max(1, round(error.retry_after_s)))
            response = Problem(503, f"store: {error}", headers={"Retry-After": after}).response()
        except StoreRejected as error:
            response = Problem(422, f"store: {error}").response()
        except Exception:  # the one catch-all of a request
            log.exception("%s %s", request.method, request.url.path)
            response = Problem(500, "an error of AutoQoS itself: the log of the page says which").response()
        await response(scope, receive, send)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _respond(self, request: Request) -> Response:
        path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
        if not path.startswith("/api/") and path not in ("/openapi.json", "/metrics"):
            return assets.answer(self._assets, request)
        operation, variables = find(request.method, path)
        tick_ns = clock.monotonic_ns()
        client = self._admit(operation, request, tick_ns)
        query = read_query(operation, request.scope["query_string"])
        body = read_body(operation, await _limited_body(request))
        if operation.writes and not self._service.writable:
            raise Problem(403, "this page may only read: start it with the rights of the agent (as root) to steer")
        call = Call(self._service, variables, query, body, client, dict(request.headers), clock.wall_ns(), tick_ns)
        if operation.stream:
            return event_stream(self._broadcast, call)
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, operation.handler, call)
        if operation.writes:
            self._broadcast.hurry()
        return _response(answer)

    def _admit(self, operation: Operation, request: Request, tick_ns: int) -> Client:
        if operation.access == "open":
            return "api"
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if operation.access == "metrics":
            secret = load_secrets(self._service.context.config_path).metrics_token
            if not self._service.config.page.metrics or secret is None:
                raise Problem(404, "metrics are off: set page.metrics in config.yaml and AUTOQOS_METRICS_TOKEN in .env")
            given = token.strip().encode("utf-8", "replace") if kind.lower() == "bearer" else b""
            if hmac.compare_digest(given, secret.get_secret_value().encode()):
                return "api"
            raise Problem(401, "this needs the token of the metrics", headers=_CHALLENGE)
        client = self._service.sessions.client_of(token.strip(), tick_ns) if kind.lower() == "bearer" else None
        if client is None:
            raise Problem(401, "locked: `autoqos page` gives a new one-time address", headers=_CHALLENGE)
        return client


_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="autoqos"'}


def find(method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
    """The operation and its variables. Raises Problem 404, 405 (with what is allowed) or 400 (a bad escape)."""
    parts = path.strip("/").split("/")
    allowed = []
    for operation in OPERATIONS:
        variables = _match(operation.segments, parts)
        if variables is None:
            continue
        if operation.method == method or (method == "HEAD" and operation.method == "GET"):
            return operation, variables
        allowed.append(operation.method)
    if allowed:
        raise Problem(405, f"{method} is not for this address", headers={"Allow": ", ".join(sorted(set(allowed)))})
    raise Problem(404, "there is no such address: see /openapi.json")


def _match(segments: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if len(segments) != len(parts):
        return None
    found = {}
    for segment, part in zip(segments, parts, strict=True):
        if segment.startswith("{"):
            try:
                found[segment[1:-1]] = value = unquote(part, errors="strict")
            except UnicodeDecodeError:
                raise Problem(400, "the address holds bytes that are not UTF-8") from None
            if not value or len(value) > _MOST_NAME or "\x00" in value:
                raise Problem(404, f"a name in the address has 1 to {_MOST_NAME} characters")
        elif segment != part:
            return None
    return found


_MOST_NAME: Final = 256


def read_query(operation: Operation, raw: bytes) -> Any:
    """The query string as the operation's model. Raises Problem."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise Problem(400, "the query string cannot be read") from None
    lists = {name for name, info in operation.query.model_fields.items() if "tuple" in str(info.annotation)}
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Problem(422, f"{name} is given twice", [Fault(name, "given twice")])
        else:
            values[name] = value
    return _validated(operation.query, values)


def read_body(operation: Operation, raw: bytes) -> Any:
    """The JSON body as the operation's model; None for an operation without one. Raises Problem."""
    if operation.body is None:
        return None
    try:
        value = operation.body.__pydantic_validator__.validate_json(raw or b"{}", strict=False)
    except ValidationError as error:
        if any(problem["type"] == "json_invalid" for problem in error.errors()):
            raise Problem(400, "the body is not JSON") from None
        raise _problem(error) from None
    return value


def _validated(model: Any, values: Mapping[str, Any]) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _problem(error) from None


def _problem(error: ValidationError) -> Problem:
    faults = [
        Fault(".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, "))
        for problem in error.errors()
    ]
    first = faults[0]
    return Problem(422, f"{first.pointer}: {first.detail}" if first.pointer else first.detail, faults)


async def _limited_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY:
            raise Problem(413, f"the body is longer than {MOST_BODY} bytes", headers={"Connection": "close"})
    return bytes(body)


def _response(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.text is not None:
        return Response(answer.text, answer.status, headers, f"{answer.media}; charset=utf-8")
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(answer.body, answer.status, headers)
