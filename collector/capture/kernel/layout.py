"""What the counting programs store, byte by byte: one ``Flow`` a socket, one ``Origin`` a created socket, totals.

The programs write it, the ``kernel`` backend reads it. Little-endian machines only, as everything
that runs this is.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal, Self

AF_INET: Final = 2
"""Linux's number, as the programs store it."""

Direction = Literal["rx", "tx"]

COOKIE_BYTES: Final = 8
_FLOW: Final = struct.Struct("<4Q6I16s16s")
FLOW_BYTES: Final = _FLOW.size
COUNTS: Final = struct.Struct("<4Q")
"""A flow's beginning: received bytes and packets, sent bytes and packets."""
COUNTERS_AT: Final = {"rx": (0, 8), "tx": (16, 24)}
"""Where a direction's bytes and packets lie in a flow."""
OPEN, CLOSED, CLOSED_ELSEWHERE = 0, 1, 2
"""A flow's state; the last is a closed socket of another network namespace."""
FAMILY_AT, TYPE_AT, PROTOCOL_AT, CLOSED_AT, LOCAL_PORT_AT, REMOTE_PORT_AT, LOCAL_AT, REMOTE_AT = (
    32,
    36,
    40,
    44,
    48,
    52,
    56,
    72,
)

_ORIGIN: Final = struct.Struct("<QQ4I16s")
ORIGIN_BYTES: Final = _ORIGIN.size

EVENT: Final = struct.Struct("<QI4x")
"""What the ring carries for a new process: time of creation (boot clock, ns) and PID."""
EVENT_GAP_NS: Final = 250_000_000
"""A process is announced at most once in so long; it lets a reused PID be announced again."""

STATS: Final = ("lost", "elsewhere", "nameless", "raw")
"""Counters of packets: no room in the table; of another namespace; without a socket; copies for raw sockets."""
STAT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Maps:
    """File descriptors of the tables. ``seen`` and ``ring`` None: no announcements; ``interfaces`` None: all count."""

    flows: int
    origins: int
    stats: int
    seen: int | None = None
    ring: int | None = None
    interfaces: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What one socket moved since it was first seen, and where it stood then (a listener has ``remote_port`` 0)."""

    rx_bytes: int
    rx_packets: int
    tx_bytes: int
    tx_packets: int
    family: int
    kind: int
    protocol: int
    state: int
    local_port: int
    remote_port: int
    local: bytes
    remote: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From the table's ``FLOW_BYTES`` bytes."""
        rx_b, rx_p, tx_b, tx_p, family, kind, protocol, state, lport, rport, local, remote = _FLOW.unpack(raw)
        # remote_port sits in network order in the upper half of a little-endian word.
        return cls(rx_b, rx_p, tx_b, tx_p, family, kind, protocol, state, lport, _swap16(rport >> 16), local, remote)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who created a socket and when. ``comm`` is the creating thread's name, at most 15 bytes."""

    namespace: int
    born_ns: int
    """Nanoseconds since boot."""
    pid: int
    family: int
    kind: int
    protocol: int
    comm: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From the table's ``ORIGIN_BYTES`` bytes."""
        namespace, born, pid, family, kind, protocol, comm = _ORIGIN.unpack(raw)
        return cls(namespace, born, pid, family, kind, protocol, comm.split(b"\0", 1)[0].decode("utf-8", "replace"))


def _swap16(value: int) -> int:
    return (value & 0xFF) << 8 | value >> 8
