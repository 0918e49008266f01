"""What a person asked for by hand: priorities and limits per application, and the pause. Small documents in the store.

``override:app:<app>`` holds ``priority``, ``down_bps``, ``up_bps``, ``until_ns`` (when the limits, not the priority,
end) and ``set_ns``; ``override:pause`` is there while the enforcer is paused. The enforcer reads them within 200 ms.
Nothing here touches a packet.
"""

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from qos.contract.units import format_bps

PREFIX: Final = "override:app:"
PAUSE: Final = "override:pause"


class States(Protocol):
    """The part of the store that keeps small JSON documents."""

    def get_state(self, key: str) -> Any | None:
        """The document, or None."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep it; the last write wins."""

    def delete_state(self, key: str) -> None:
        """Forget it; nothing happens when there is none."""

    def states(self, prefix: str) -> dict[str, Any]:
        """All whose key starts so, by key."""


@dataclass(frozen=True, slots=True)
class Override:
    """What is set by hand for one application. Rates in bits per second, times in UTC nanoseconds."""

    priority: int | None = None
    down_bps: int | None = None
    up_bps: int | None = None
    until_ns: int | None = None
    set_ns: int = 0

    @property
    def limited(self) -> bool:
        """Whether it sets a rate."""
        return self.down_bps is not None or self.up_bps is not None

    def __str__(self) -> str:
        words = [] if self.priority is None else [f"priority {self.priority}"]
        words += [] if self.down_bps is None else [f"down {format_bps(self.down_bps)}"]
        words += [] if self.up_bps is None else [f"up {format_bps(self.up_bps)}"]
        return ", ".join(words) or "automatic"


def read_override(states: States, app: str, now_ns: int) -> Override:
    """What is in force by hand for ``app``; limits whose time is over are gone."""
    return _override(states.get_state(PREFIX + app), now_ns)


def read_overrides(states: States, now_ns: int) -> dict[str, Override]:
    """The same for every application that has any, by name."""
    found = {key.removeprefix(PREFIX): _override(value, now_ns) for key, value in states.states(PREFIX).items()}
    return {app: override for app, override in found.items() if override.priority is not None or override.limited}


def _override(document: object, now_ns: int) -> Override:
    if not isinstance(document, dict):
        return Override()
    known = {name: document.get(name) for name in ("priority", "down_bps", "up_bps", "until_ns")}
    override = Override(**known, set_ns=document.get("set_ns") or 0)
    if override.until_ns is not None and override.until_ns <= now_ns:
        return replace(override, down_bps=None, up_bps=None, until_ns=None)
    return override


def set_priority(states: States, app: str, priority: int | None, now_ns: int) -> Override:
    """Give ``app`` a level by hand; None gives it back to the rules ("DEFAULT"). Its limits stay."""
    return _write(states, app, replace(read_override(states, app, now_ns), priority=priority, set_ns=now_ns))


def set_limit(
    states: States, app: str, *, down_bps: int | None, up_bps: int | None, until_ns: int | None, now_ns: int
) -> Override:
    """Limit ``app``; None lifts that direction, both None lift the limit. Its priority stays."""
    until_ns = None if down_bps is None and up_bps is None else until_ns
    old = read_override(states, app, now_ns)
    return _write(states, app, replace(old, down_bps=down_bps, up_bps=up_bps, until_ns=until_ns, set_ns=now_ns))


def pause(states: States, until_ns: int | None, now_ns: int) -> None:
    """Switch the whole enforcer off, for good or until a time."""
    states.set_state(PAUSE, {"until_ns": until_ns, "set_ns": now_ns})


def resume(states: States) -> None:
    """Switch it on again."""
    states.delete_state(PAUSE)


def paused(states: States, now_ns: int) -> tuple[bool, int | None]:
    """Whether it is switched off by hand, and until when (None: until ``resume``)."""
    document = states.get_state(PAUSE)
    if not isinstance(document, dict):
        return False, None
    until_ns = document.get("until_ns")
    return until_ns is None or until_ns > now_ns, until_ns


def match_name(text: str, known: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The application that a person means, and, when nobody has seen it, the likely ones.

    Case and ``.exe`` do not matter for a known application; an unknown name is taken as it is written.
    """
    names = sorted(set(known))
    wanted = _fold(text)
    for name in names:
        if name == text:
            return name, ()
    for name in names:
        if _fold(name) == wanted:
            return name, ()
    near = difflib.get_close_matches(wanted, [_fold(name) for name in names], n=3)
    return text.strip(), tuple(name for name in names if _fold(name) in near)


def _fold(name: str) -> str:
    return name.strip().casefold().removesuffix(".exe")


def _write(states: States, app: str, override: Override) -> Override:
    if override.priority is None and not override.limited:
        states.delete_state(PREFIX + app)
    else:
        states.set_state(PREFIX + app, asdict(override))
    return override
