"""One operation of the API: how it is called, what it takes and who answers. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from console.page.access.sessions import Client
from console.page.service import PageService

Method = Literal["GET", "PUT", "POST", "DELETE", "PATCH"]
Access = Literal["open", "token", "metrics"]


class Input(BaseModel):
    """A query string or a JSON body: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class NoInput(Input):
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in. ``path`` are the address's variables, percent-decoded."""

    service: PageService
    path: Mapping[str, str]
    query: Any
    body: Any
    client: Client
    headers: Mapping[str, str]
    now_ns: int
    """UTC."""
    tick_ns: int
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; ``text`` instead of ``body`` for what is no JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table. ``path`` below ``/api/v1`` unless it starts with ``//`` (then at the root)."""

    method: Method
    path: str
    handler: Callable[[Call], Answer]
    summary: str
    query: type[Input] = NoInput
    body: type[Input] | None = None
    access: Access = "token"
    writes: bool = False
    answer: type | None = None
    """The shape of a JSON answer (a TypedDict); None: there is no JSON."""
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    events: Mapping[str, type] = field(default_factory=dict)
    """The server-sent events of a stream, by name."""

    @property
    def stream(self) -> bool:
        """Whether the answer does not end."""
        return bool(self.events)

    @property
    def full_path(self) -> str:
        """The path from the root."""
        return self.path[1:] if self.path.startswith("//") else f"/api/v1{self.path}"

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts; ``{name}`` is a variable."""
        return tuple(self.full_path.strip("/").split("/"))
