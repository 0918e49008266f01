"""Errors as RFC 9457 (problem+json): what is wrong, where, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: where (a key's path), and what."""

    pointer: str
    detail: str


@dataclass(slots=True)
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that is an error. ``detail`` is one sentence for a person."""

    status: int
    detail: str
    errors: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.errors]
        return body

    def response(self) -> Response:
        """The answer."""
        return JSONResponse(
            self.document(), self.status, {"Cache-Control": "no-store", **self.headers}, "application/problem+json"
        )
