"""What a person asked for by hand: priorities and limits per application, and the pause. Small documents in the store.

Reads and writes the documents of ``qos.contract.documents.override`` and ``pause``; the enforcer reads them within
200 ms. Nothing here touches a packet.
"""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from qos.contract.documents.override import Override, overrides_from
from qos.contract.documents.pause import Pause
from qos.contract.units import format_bps


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


def words(override: Override) -> str:
    """What is set, such as ``priority 1, down 2.0 Mbit/s``."""
    said = [] if override.priority is None else [f"priority {override.priority}"]
    said += [] if override.down_bps is None else [f"down {format_bps(override.down_bps)}"]
    said += [] if override.up_bps is None else [f"up {format_bps(override.up_bps)}"]
    return ", ".join(said) or "automatic"


def read_override(states: States, app: str, now_ns: int) -> Override:
    """What is in force by hand for ``app``; limits whose time is over are gone."""
    override = Override.parse(states.get_state(Override.PREFIX + app))
    return override.at(now_ns) if override is not None else Override()


def read_overrides(states: States, now_ns: int) -> dict[str, Override]:
    """The same for every application that has any, by name."""
    found = overrides_from(states.states(Override.PREFIX))
    current = {app: override.at(now_ns) for app, override in found.items()}
    return {app: override for app, override in current.items() if not override.empty}


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
    states.set_state(Pause.KEY, Pause(until_ns, now_ns).dump())


def resume(states: States) -> None:
    """Switch it on again."""
    states.delete_state(Pause.KEY)


def read_pause(states: States, now_ns: int) -> Pause | None:
    """The pause that is in force by hand; None while the enforcer is on."""
    pause = Pause.parse(states.get_state(Pause.KEY))
    return pause if pause is not None and pause.holds(now_ns) else None


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
    if override.empty:
        states.delete_state(Override.PREFIX + app)
    else:
        states.set_state(Override.PREFIX + app, override.dump())
    return override
