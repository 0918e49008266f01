"""The host's own counters, interface by interface: what passed since the last look, at the IP layer.

An interface seen for the first time starts a baseline, unless it is plainly new (an index higher than any before): then
all that it counted is traffic of this tick. One that vanishes ends with its last reading; when it comes back with other
counters it is a new one. After a gap (sleep, a stalled machine) ``rebase`` makes the next look a baseline again.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.interfaces.counters import NOTHING, InterfaceCounters, at_ip_layer, difference
from collector.interfaces.selection import Interface, select

if sys.platform == "linux":
    from collector.interfaces.listing_linux import read_interfaces
else:
    from collector.interfaces.listing_psutil import read_interfaces


@dataclass(frozen=True, slots=True)
class InterfaceDelta:
    """What one interface moved since the last look. Bytes at the IP layer, never negative."""

    name: str
    moved: InterfaceCounters


class InterfaceMeter:
    """Remembers the last reading of every interface."""

    def __init__(self, globs: Sequence[str], read: Callable[[], tuple[Interface, ...]] = read_interfaces) -> None:
        self._globs = tuple(globs)
        self._read = read
        self._last: dict[tuple[str, int], InterfaceCounters] = {}
        self._last_ns: int | None = None
        self._highest = 0

    def watch(self, globs: Sequence[str]) -> None:
        """Count other interfaces from the next look on."""
        self._globs = tuple(globs)

    def rebase(self) -> None:
        """Forget the last readings: the next look yields no traffic."""
        self._last.clear()
        self._last_ns = None

    def look(self, now_ns: int) -> tuple[InterfaceDelta, ...]:
        """The counted interfaces with what they moved since the last look (nothing the first time).

        ``now_ns`` is monotonic. Raises OSError when the system does not answer.
        """
        everything = self._read()
        elapsed_ns = now_ns - self._last_ns if self._last_ns is not None else 0
        moved = {i.name: self._moved(i, elapsed_ns) for i in everything}
        self._last = {(i.name, i.index): i.counters for i in everything}
        self._last_ns = now_ns
        self._highest = max([self._highest, *(i.index for i in everything)])
        return tuple(InterfaceDelta(i.name, moved[i.name]) for i in select(everything, self._globs))

    def _moved(self, interface: Interface, elapsed_ns: int) -> InterfaceCounters:
        before = self._last.get((interface.name, interface.index))
        if before is None:
            born = self._last_ns is not None and interface.index > self._highest
            before = NOTHING if born else interface.counters
        return at_ip_layer(difference(before, interface.counters, elapsed_ns), interface.header_bytes)
