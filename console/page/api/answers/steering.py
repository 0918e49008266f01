"""Logging in, applications, what is done by hand and its undoing, what if."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from console.page.api.answers import closed


@closed
class SessionAnswer(TypedDict):
    """A token, good as long as the server runs."""

    token: str
    writable: bool
    version: str


@closed
class HandSet(TypedDict):
    """What is set by hand for an application."""

    priority: int | None
    down_bps: int | None
    up_bps: int | None
    until: str | None
    until_ms: int | None


@closed
class PolicyEntry(TypedDict):
    """How an application is treated, and why."""

    app: str
    category: str | None
    priority: int | None
    source: str
    reasons: list[str]
    down_bps: int | None
    up_bps: int | None
    demand_down_bps: int | None
    demand_up_bps: int | None
    delayed_packets: int | None
    dropped_packets: int | None
    queue_ms: float | None
    rx_bps: int
    tx_bps: int


@closed
class AppEntry(PolicyEntry):
    """The same, with what is set by hand."""

    hand: HandSet | None


@closed
class AppListAnswer(TypedDict):
    """Applications, the busiest first; ``next`` is the cursor of the next page."""

    mode: str
    running: bool
    paused: bool
    apps: list[AppEntry]
    next: NotRequired[int]


@closed
class ProcessEntry(TypedDict):
    """One process that uses the network now. Bytes since monitoring started."""

    pid: int
    started_ns: int
    app: str
    name: str
    rx_bytes: int
    tx_bytes: int
    rx_bps: int
    tx_bps: int
    flows: int
    background: bool
    priority: int | None


@closed
class BytePair(TypedDict):
    """Bytes received and sent."""

    rx_bytes: int
    tx_bytes: int


@closed
class AppAnswer(TypedDict):
    """One application."""

    app: str
    policy: PolicyEntry | None
    hand: HandSet | None
    why: list[str]
    processes: list[ProcessEntry]
    last_day: BytePair | None


@closed
class WhyAnswer(TypedDict):
    """The chain of reasons, in sentences."""

    app: str
    why: list[str]


@closed
class Inverse(TypedDict):
    """The request that undoes it."""

    id: str
    method: Literal["POST"]
    path: str


@closed
class DoneAnswer(TypedDict):
    """``state`` now, ``said`` a sentence, ``inverse`` None when nothing changed, ``effect`` a note on what it does."""

    state: dict[str, Any]
    said: str
    inverse: Inverse | None
    effect: str | None


@closed
class UndoneAnswer(TypedDict):
    """What is in force again."""

    state: dict[str, Any]
    said: str
    effect: str | None


@closed
class ActionEntry(TypedDict):
    """One action by hand; ``inverse`` in words what undoing it sets."""

    id: str
    time: str
    client: Literal["page", "api", "terminal"]
    kind: Literal["priority", "limit", "pause", "mode", "config"]
    subject: str
    said: str
    inverse: str
    undone: bool


@closed
class ActionListAnswer(TypedDict):
    """Newest first."""

    actions: list[ActionEntry]


@closed
class SideEntry(TypedDict):
    """One direction of one application; a limit of None is none; ``freed``: it may take more than now."""

    now_bps: int
    limit_before_bps: int | None
    limit_after_bps: int | None
    expected_bps: int
    freed: bool


@closed
class ChangeEntry(TypedDict):
    """What becomes of one application."""

    app: str
    priority_before: int
    priority_after: int
    down: SideEntry
    up: SideEntry


@closed
class LinkEntry(TypedDict):
    """The line's capacity in bit/s; None: not known."""

    down: int | None
    up: int | None


@closed
class PreviewAnswer(TypedDict):
    """Rates before and after, over the last ``seconds``."""

    seconds: int
    link: LinkEntry
    notes: list[str]
    apps: list[ChangeEntry]
