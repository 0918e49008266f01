"""When a state of shipping begins and when it is over: one ``event`` and one log line each, however often it is seen.

Sans-io; ``now_ns`` is monotonic. A state begins when it has lasted ``patience_ns`` (a lost packet is no outage) and is
over when it was not seen for ``quiet_ns`` (points set aside now and then are one episode).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from qos.system.clock import NS_PER_S

Kind = Literal["outage", "refused", "set_aside", "history_refused", "store_unreadable"]


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state that began or ended. ``lasted_ns`` is 0 at the begin."""

    kind: Kind
    begins: bool
    reason: str
    lasted_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Bounds:
    patience_ns: int
    quiet_ns: int


_BOUNDS: Final[Mapping[Kind, _Bounds]] = MappingProxyType(
    {
        "outage": _Bounds(10 * NS_PER_S, 0),
        "refused": _Bounds(0, 0),
        "set_aside": _Bounds(0, 300 * NS_PER_S),
        "history_refused": _Bounds(0, 0),
        "store_unreadable": _Bounds(0, 0),
    }
)


class Episodes:
    """Which states hold, told from what is seen."""

    def __init__(self) -> None:
        self._first: dict[Kind, int] = {}
        self._last: dict[Kind, int] = {}
        self._told: dict[Kind, str] = {}

    @property
    def running(self) -> Mapping[Kind, str]:
        """The states that hold now, each with its reason."""
        return MappingProxyType(self._told)

    def resume(self, kind: Kind, reason: str, now_ns: int, lasted_ns: int) -> None:
        """A state that was told before this process began, ``lasted_ns`` ago: its end is still to be told."""
        self._told[kind], self._first[kind], self._last[kind] = reason, now_ns - lasted_ns, now_ns

    def saw(self, now_ns: int, seen: Mapping[Kind, str]) -> Iterator[StateChange]:
        """What began and what ended. ``seen``: the states that hold at this moment, with their reasons."""
        for kind, bounds in _BOUNDS.items():
            if kind in seen:
                first = self._first.setdefault(kind, now_ns)
                self._last[kind] = now_ns
                if kind not in self._told and now_ns - first >= bounds.patience_ns:
                    self._told[kind] = seen[kind]
                    yield StateChange(kind, True, seen[kind])
            elif kind in self._first and now_ns - self._last[kind] >= bounds.quiet_ns:
                lasted_ns = self._last[kind] - self._first.pop(kind)
                if kind in self._told:
                    yield StateChange(kind, False, self._told.pop(kind), lasted_ns)


def sentence(change: StateChange, url: str) -> str:
    """The change in words, for the log and the event."""
    if change.begins:
        return {
            "outage": f"InfluxDB at {url} takes no points now, they wait: {change.reason}",
            "refused": f"InfluxDB at {url} refuses, points wait until somebody acts: {change.reason}",
            "set_aside": f"InfluxDB at {url} never takes some points, they are set aside: {change.reason}",
            "history_refused": f"the coarse history is not shipped to {url}: {change.reason}",
            "store_unreadable": f"the local store cannot be read, nothing is shipped: {change.reason}",
        }[change.kind]
    lasted = f"after {change.lasted_ns / NS_PER_S:.0f} s"
    return {
        "outage": f"InfluxDB at {url} is back {lasted}, it takes points",
        "refused": f"InfluxDB at {url} takes points again {lasted}",
        "set_aside": f"no more points are set aside {lasted}",
        "history_refused": f"the coarse history is shipped again {lasted}",
        "store_unreadable": f"the local store can be read again {lasted}",
    }[change.kind]
