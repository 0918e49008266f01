"""Interface counters to deltas: the arithmetic of counters that wrap, are reset or begin. Pure.

A counter that goes back was either reset (the driver was reloaded: every counter of the interface starts over) or has
wrapped (one counter passed 2^32 on a driver that keeps 32 bits, or 2^64). A reset takes the packet counter back too, so
the two are told apart by whether bytes and packets of the same direction went back together.
"""

from dataclasses import dataclass, fields
from typing import Final, Self

WRAP_32: Final = 2**32
WRAP_64: Final = 2**64
_PLAUSIBLE_BYTES_PER_S: Final = 50 * 10**9
"""No interface here moves 400 Gbit/s: a larger difference is not a wrap."""


@dataclass(frozen=True, slots=True)
class InterfaceCounters:
    """What an interface has counted, or the difference of two such readings. Bytes as the link layer counts them."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    rx_drops: int = 0
    tx_drops: int = 0
    rx_errors: int = 0
    tx_errors: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


NOTHING: Final = InterfaceCounters()


def difference(before: InterfaceCounters, now: InterfaceCounters, elapsed_ns: int) -> InterfaceCounters:
    """What was counted between two readings, never negative. After a reset it is what was counted since."""
    if _was_reset(before, now):
        return now
    limit = max(1, elapsed_ns) * _PLAUSIBLE_BYTES_PER_S // 10**9 + WRAP_32 // 2
    return InterfaceCounters(*(_step(getattr(before, f.name), getattr(now, f.name), limit) for f in fields(now)))


def _was_reset(before: InterfaceCounters, now: InterfaceCounters) -> bool:
    rx = now.rx_bytes < before.rx_bytes and now.rx_packets < before.rx_packets
    tx = now.tx_bytes < before.tx_bytes and now.tx_packets < before.tx_packets
    return rx or tx


def _step(before: int, now: int, limit: int) -> int:
    if now >= before:
        return now - before
    wrapped = now + (WRAP_32 if before < WRAP_32 else WRAP_64) - before
    return wrapped if wrapped <= limit else now


def at_ip_layer(counted: InterfaceCounters, header_bytes: int) -> InterfaceCounters:
    """The same difference without the link layer's header of each packet: bytes as points and backends count them.

    The kernel hands a segmented or merged packet over as one, with one header, and counts it so: the difference is
    then exact on virtual interfaces. A card that counts its own frames counts one header per frame, which is exact too.
    """
    return InterfaceCounters(
        rx_bytes=max(0, counted.rx_bytes - header_bytes * counted.rx_packets),
        tx_bytes=max(0, counted.tx_bytes - header_bytes * counted.tx_packets),
        rx_packets=counted.rx_packets,
        tx_packets=counted.tx_packets,
        rx_drops=counted.rx_drops,
        tx_drops=counted.tx_drops,
        rx_errors=counted.rx_errors,
        tx_errors=counted.tx_errors,
    )
