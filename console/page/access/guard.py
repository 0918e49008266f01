"""What stands before every request: is it meant for us, from our own page or a program, and of a bearable size.

The checks need no token, because they refuse what a *browser* is made to send by somebody else's page: another host
name (DNS rebinding) → 421, another origin or site → 403, a write that is no JSON (which a form could send) → 415.
Sources: fetch.spec.whatwg.org (CORS-safelisted types), w3.org/TR/fetch-metadata, CSP3 and trusted-types.
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.page.problems import Problem

MOST_BODY: Final = 512 * 1024
MOST_PATH: Final = 4096
CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
SECURITY_HEADERS: Final = (
    ("Content-Security-Policy", CSP),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=()"),
)
_SAFE: Final = ("GET", "HEAD")


class Guard:
    """ASGI middleware. ``hosts`` and ``origins`` are compared whole, letter by letter."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app, self._hosts, self._origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers[name] = value
            await send(message)

        problem = check(scope, self._hosts, self._origins)
        if problem is not None:
            problem.headers = {**problem.headers, "Connection": "close"}
            await problem.response()(scope, receive, send_secured)
            return
        await self._app(scope, receive, send_secured)


def check(scope: Scope, hosts: Collection[str], origins: Collection[str]) -> Problem | None:
    """Why the request is refused; None when it may go on. Pure."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    if len(found.get("host", [])) != 1 or found["host"][0] not in hosts:
        return Problem(421, "this server answers under its own address only: open the page with `autoqos page`")
    if any(len(found.get(name, [])) > 1 for name in ("origin", "authorization", "content-type", "content-length")):
        return Problem(400, "a header is there twice")
    method = scope["method"]
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_PATH:
        return Problem(414, f"the address is longer than {MOST_PATH} bytes")
    if (origin := _only(found, "origin")) is not None and origin not in origins:
        return Problem(403, "another page's scripts may not speak to this server")
    if (problem := _check_site(scope, method, found)) is not None:
        return problem
    length = _only(found, "content-length")
    if length is not None and (not length.isdecimal() or int(length[:12]) > MOST_BODY):
        return Problem(413, f"the body is longer than {MOST_BODY} bytes")
    if method not in _SAFE:
        has_body = "transfer-encoding" in found or (length is not None and int(length) > 0)
        kind = (_only(found, "content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json" and (has_body or method != "DELETE"):
            return Problem(415, "a write is JSON: send Content-Type: application/json")
    return None


def _check_site(scope: Scope, method: str, found: dict[str, list[str]]) -> Problem | None:
    """Fetch metadata: only our own page's requests; a person may also *go* to the page from anywhere."""
    site = _only(found, "sec-fetch-site")
    if site is None or site == "same-origin":
        return None
    going = (
        method in _SAFE
        and scope["path"] == "/"
        and _only(found, "sec-fetch-mode") == "navigate"
        and _only(found, "sec-fetch-dest") == "document"
    )
    if going or (site == "none" and method in _SAFE):
        return None
    return Problem(403, "another site may not speak to this server")


def _only(found: dict[str, list[str]], name: str) -> str | None:
    values = found.get(name)
    return values[0] if values else None
