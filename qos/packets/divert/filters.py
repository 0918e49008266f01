"""WinDivert filter texts within the limits of both systems. Pure.

Windows: at most 256 tests a handle, evaluated one by one for every packet of the machine, so ports become a search
tree above ``TREE_ABOVE``. Linux: a filter is exact in the kernel up to 32 ``localPort`` items and only behind ``tcp
and``/``udp and``; beyond that every packet of the machine would be copied to user space. Too many ports merge into
ranges with the fewest foreign ports between them: false positives are simply sent on.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Transport = Literal["tcp", "udp"]

MAX_TESTS: Final = 240
"""Of WinDivert's 256: room for the prefix, and 256 itself overflows a byte in the driver."""
LINUX_EXACT: Final = 32
TREE_ABOVE: Final = 64
_LEAF: Final = 8
NEVER: Final = {
    "tcp": frozenset({53}),
    "udp": frozenset({53, 67, 68, 123, 546, 547, 1900, 5353, 5355}),
}
"""Local ports that are never diverted: name service, DHCP, time, discovery."""
_UNICAST: Final = " and (ip? remoteAddr < 224.0.0.0: remoteAddr < ff00::)"
"""Re-injected broadcasts fail on Windows and cost the machine its DHCP lease (WinDivert issue 320)."""


@dataclass(frozen=True, slots=True)
class PortFilter:
    """A filter text, the port ranges (inclusive) that it lets through, and how many of them nobody asked for."""

    text: str
    ranges: tuple[tuple[int, int], ...]
    foreign: int
    tests: int

    def __contains__(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self.ranges)


def port_filter(
    protocol: Transport,
    ports: Iterable[int],
    *,
    platform: str = sys.platform,
    max_tests: int = MAX_TESTS,
    max_items: int | None = None,
) -> PortFilter:
    """Packets of ``protocol`` from or to the given local ports, both directions.

    ``max_items`` bounds ports and ranges together (32 by default on Linux, where the filter stops being exact beyond).
    Ports in ``NEVER`` are left out. Raises ValueError for no port, a port outside 1-65535 or a bound below 2.
    """
    if max_items is None:
        max_items = LINUX_EXACT if platform.startswith("linux") else MAX_TESTS
    if max_tests < 2 or max_items < 1:
        raise ValueError("a filter needs room for at least one range: 2 tests")
    wanted = sorted(set(ports) - NEVER[protocol])
    if not wanted:
        raise ValueError(f"no port to divert for {protocol}")
    if wanted[0] < 1 or wanted[-1] > 65535:
        raise ValueError(f"{wanted[0]}-{wanted[-1]}: ports are 1-65535")
    ranges = merge(wanted, max_tests, max_items)
    foreign = sum(high - low + 1 for low, high in ranges) - len(wanted)
    return PortFilter(f"{_prefix(protocol, platform)} and ({_tests(ranges)})", ranges, foreign, cost(ranges))


def wide_filter(protocol: Transport, *, platform: str = sys.platform) -> str:
    """All non-loopback packets of ``protocol``: for applications whose ports do not fit or churn too fast."""
    return _prefix(protocol, platform)


def sniff_filter() -> str:
    """Everything that crosses an interface."""
    return "!loopback"


def _prefix(protocol: Transport, platform: str) -> str:
    if platform == "win32":
        return f"{protocol} and !loopback and !impostor{_UNICAST}"
    return f"{protocol} and !loopback"  # more would no longer be exact in the kernel


def merge(ports: Sequence[int], max_tests: int, max_items: int) -> tuple[tuple[int, int], ...]:
    """Inclusive ranges that cover the sorted ``ports`` within both bounds, with few foreign ports.

    Neighbours with the smallest gaps merge first; as many as needed, found by bisection (the cost only falls).
    """
    gaps = sorted(range(1, len(ports)), key=lambda i: (ports[i] - ports[i - 1], i))
    low = sum(1 for i in gaps if ports[i] - ports[i - 1] == 1)  # joining neighbours is free
    high = len(gaps)
    while low < high:
        middle = (low + high) // 2
        ranges = _joined(ports, set(gaps[:middle]))
        if len(ranges) <= max_items and cost(ranges) <= max_tests:
            high = middle
        else:
            low = middle + 1
    return _joined(ports, set(gaps[:low]))


def _joined(ports: Sequence[int], joints: set[int]) -> tuple[tuple[int, int], ...]:
    ranges: list[tuple[int, int]] = []
    for i, port in enumerate(ports):
        if i in joints:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return tuple(ranges)


def cost(ranges: Sequence[tuple[int, int]]) -> int:
    """Tests that the ranges take: one for a port, two for a range, one per fork of the search tree."""
    tests = sum(1 if low == high else 2 for low, high in ranges)
    return tests + (_forks(len(ranges)) if len(ranges) > TREE_ABOVE else 0)


def _forks(items: int) -> int:
    return 0 if items <= _LEAF else 1 + _forks(items // 2) + _forks(items - items // 2)


def _tests(ranges: Sequence[tuple[int, int]]) -> str:
    return _tree(ranges) if len(ranges) > TREE_ABOVE else _line(ranges)


def _tree(ranges: Sequence[tuple[int, int]]) -> str:
    if len(ranges) <= _LEAF:
        return _line(ranges)
    middle = len(ranges) // 2
    return f"localPort < {ranges[middle][0]}? ({_tree(ranges[:middle])}): ({_tree(ranges[middle:])})"


def _line(ranges: Sequence[tuple[int, int]]) -> str:
    return " or ".join(
        f"localPort == {low}" if low == high else f"(localPort >= {low} and localPort <= {high})"
        for low, high in ranges
    )
