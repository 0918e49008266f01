"""What the limiting programs and this process share, byte by byte. Pure.

Two tables a direction, indexed by the application's class number: ``rules`` are written here and read by the programs;
``states`` are written by the programs and read here. Neither side writes the other's, so nothing needs a lock. A
class's number also makes its handle in the queueing disciplines. Little-endian machines only.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

MAJOR: Final = 0xA05
"""The handle of our HTB: what is in a packet's priority when one of our classes holds it."""
MARK: Final = 0xA05
"""In a received packet's ``tc_index``: it was held already, let it pass (it may cross several interfaces)."""
MINOR_STEP: Final = 16
"""Class minors are multiples of 16: other queueing disciplines read the lowest bits of a priority as a band."""
MAX_CLASSES: Final = 512
BUCKETS: Final = 64
"""Flows of one class are told apart by so many buckets."""
EPOCH_SHIFT: Final = 27
"""A flow's share is judged over 2^27 ns = 134 ms."""
MAX_PORTS: Final = 65_536
ROOTS: Final = 256

MAX_EARLY: Final = 8_192
"""Sockets and ports that a program itself gave to a class, because of the name of the process that made them."""
MAX_FRAGMENTED: Final = 4_096
"""Datagrams in fragments whose first fragment came: who it is for, for the fragments without ports."""
FRAGMENT_KEY_BYTES: Final = 40
"""Source and destination address (16 bytes each, IPv4 in the first four), identification, protocol."""
COOKIE_BYTES: Final = 8
NAME_BYTES: Final = 16
NOBODY: Final = 0
"""The class number of ports whose owner is known and not held."""

PORT_KEY: Final = struct.Struct("<I")
CLASS_VALUE: Final = struct.Struct("<I")

RULE: Final = struct.Struct("<6Q")
ACTIVE_AT, RATE_AT, TARGET_AT, INTERVAL_AT, BOUND_AT, ROUND_AT = range(0, 48, 8)
RULE_BYTES: Final = RULE.size

STATE: Final = struct.Struct("<17Q")
(
    CLEAR_AT,
    PACKETS_AT,
    BYTES_AT,
    DELAYED_AT,
    DROPPED_AT,
    DROPPED_BYTES_AT,
    MARKED_AT,
    WORST_AT,
    WORST_ROUND_AT,
    CLOCK_RATE_AT,
    ABOVE_AT,
    NEXT_DROP_AT,
    LAST_DROP_AT,
    COUNT_AT,
    EPOCH_AT,
    EPOCH_BYTES_AT,
    EPOCH_FLOWS_AT,
) = range(0, 136, 8)
STATE_BYTES: Final = STATE.size

BUCKET: Final = struct.Struct("<QQ")
BUCKET_EPOCH_AT, BUCKET_BYTES_AT = 0, 8
BUCKET_BYTES: Final = BUCKET.size


def process_key(pid: int) -> bytes:
    """The key of a process."""
    return PORT_KEY.pack(pid)


def port_key(protocol: int, port: int) -> bytes:
    """The key of a local port: IP protocol number above, port below."""
    return PORT_KEY.pack(protocol << 16 | port)


def name_key(name: str) -> bytes | None:
    """The key of a process's name as the kernel keeps it (``comm``: 15 bytes, proc_pid_comm(5)); None without one."""
    raw = name.encode()[: NAME_BYTES - 1]
    return raw.ljust(NAME_BYTES, b"\0") if raw else None


def handle(number: int) -> int:
    """The class's handle in the queueing disciplines, and the priority of its packets."""
    return MAJOR << 16 | number * MINOR_STEP


@dataclass(frozen=True, slots=True)
class Rule:
    """How one class is held in one direction. ``rate`` in bytes a second at the IP layer, times in nanoseconds.

    ``target_ns`` 0: no active queue management; ``bound_ns``: a longer wait is never made; ``round``: the worst wait is
    counted anew when this changes.
    """

    active: bool
    rate: int
    target_ns: int
    interval_ns: int
    bound_ns: int
    round: int = 0

    def pack(self) -> bytes:
        """``RULE_BYTES`` bytes."""
        return RULE.pack(self.active, self.rate, self.target_ns, self.interval_ns, self.bound_ns, self.round)


@dataclass(frozen=True, slots=True)
class ClassState:
    """What the program counted for one class in one direction since the table was made."""

    clear_ns: int
    """Monotonic time at which everything taken so far will have left at the class's rate."""
    packets: int
    passed_bytes: int
    delayed: int
    dropped: int
    dropped_bytes: int
    marked: int
    worst_ns: int
    worst_round: int
    clock_rate: int
    """Bytes a second at which ``clear_ns`` was reckoned."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """From ``STATE_BYTES`` bytes."""
        return cls(*STATE.unpack(raw)[:10])


def roots() -> list[int]:
    """65536 / sqrt(n) for n = 0 (as 1) to ``ROOTS`` - 1: CoDel's control law without a square root (RFC 8289 §4.3)."""
    return [round(65536 / max(n, 1) ** 0.5) for n in range(ROOTS)]
