"""A packet as the shaper sees it: which flow, how large, since when, and whether it may be held at all.

The bytes themselves are opaque here (``raw`` with the capture handle's ``token``): the shaper moves them, nothing more.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


class PacketKind(IntEnum):
    """What may be done to a packet."""

    DATA = 0
    """Held, marked or dropped."""
    CONTROL = 1
    """SYN, FIN, RST, pure acknowledgements: charged, passed on at once unless its own flow already waits, never dropped
    by AQM (docs/decisions/0021)."""
    EXEMPT = 2
    """Never held and never charged: name service, time, address assignment, ICMP, what is not unicast."""


class QueuedPacket(NamedTuple):
    """One packet on its way through the shaper."""

    flow: Any
    """Hashable identity of the flow; order is kept among packets with the same one."""
    size_bytes: int
    """At the IP layer; up to 64 KB and more where the system aggregates."""
    arrived_ns: int
    """When the driver took it, on the same monotonic clock as ``now_ns``."""
    kind: PacketKind = PacketKind.DATA
    ecn: bool = False
    """The sender understands congestion marks (ECT) and this packet's mark is cheap to set."""
    marked: bool = False
    """Leaves with the congestion mark (CE) set instead of having been dropped."""
    raw: Any = None
    token: Any = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a shaper did since it was made. Bytes are charged bytes."""

    submitted: int = 0
    released: int = 0
    delayed: int = 0
    """Released more than a millisecond after they came."""
    dropped: int = 0
    marked: int = 0
    released_bytes: int = 0
    dropped_bytes: int = 0
