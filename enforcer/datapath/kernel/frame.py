"""What the limiting programs have in common: the kernel's helper calls, the packet's context, their stack. Pure.

Sources: ``linux/bpf.h`` (helper numbers, ``struct __sk_buff``), docs.ebpf.io.
"""

from dataclasses import dataclass
from typing import Final

from qos.bpf.assembler import R0, R1, R2, R3, R4, R5, R6, R8, R10, Assembler, reg

CALL_LOOKUP: Final = 1
CALL_UPDATE: Final = 2
CALL_NOW: Final = 5
CALL_STORE: Final = 9
CALL_PID_TGID: Final = 14
CALL_COMM: Final = 16
CALL_REDIRECT: Final = 23
CALL_CHANGE_HEAD: Final = 43
CALL_COOKIE: Final = 46
CALL_LOAD_RELATIVE: Final = 68
CALL_SET_CE: Final = 97
CALL_NETNS_COOKIE: Final = 122

SKB_LEN, SKB_PKT_TYPE, SKB_PROTOCOL, SKB_PRIORITY, SKB_IFINDEX, SKB_TC_INDEX = 0, 4, 16, 32, 40, 44
_NETWORK_HEADER: Final = 1
SKB_WIRE_LEN, SKB_GSO_SEGS = 160, 164

KEY, NOW_AT, WAIT, TIME, BUCKET, CONTROL, CLASS = -8, -16, -24, -32, -40, -48, -56
"""On the stack: the port, then the class number; monotonic ns now, until the queue is clear, of this packet at the
class's rate; the flow's bucket; whether it passes at once; a number for a call."""
IP, TRANSPORT = -96, -120
"""The headers, as far as they were read."""
FRAGMENT, FRAGMENT_KEY = -128, -168
"""Whether this is the first of several fragments; the datagram's key in ``Tables.fragments``."""
SOURCE_PORT, DESTINATION_PORT = 0, 2

AT_ONCE, ADMITTED, REFUSED = 1, 2, 3
"""What ``CONTROL`` says: it passes at once and is charged; its datagram's first fragment was admitted, was refused."""


@dataclass(frozen=True, slots=True)
class Tables:
    """File descriptors of the tables that a program reads: of its own direction, but for ``ports`` and ``roots``."""

    ports: int
    """Whose a port is, as this process says it."""
    early: int
    """Whose a port is, as the programs say it until then."""
    born: int
    """Sockets by cookie that a process of a limited name made."""
    rules: int
    states: int
    buckets: int
    roots: int
    fragments: int
    """Datagrams in fragments."""


def load_header(a: Assembler, into: int, length: int, offset: int | None, missing: str) -> None:
    """``length`` bytes behind the start of the IP header to the stack; ``offset`` None: it is in R8."""
    a.move(R1, reg(R6))
    a.move(R2, reg(R8) if offset is None else offset)
    a.move(R3, reg(R10))
    a.alu(R3, "+", into)
    a.move(R4, length)
    a.move(R5, _NETWORK_HEADER)
    a.call(CALL_LOAD_RELATIVE)
    a.jump_if(R0, "!=", 0, missing)


def look_up(a: Assembler, table: int, key: int) -> None:
    a.map_fd(R1, table)
    a.move(R2, reg(R10))
    a.alu(R2, "+", key)
    a.call(CALL_LOOKUP)


def keep(a: Assembler, table: int, key: int, value: int) -> None:
    """Set what ``table`` has for a key; key and value are places on the stack."""
    a.map_fd(R1, table)
    a.move(R2, reg(R10))
    a.alu(R2, "+", key)
    a.move(R3, reg(R10))
    a.alu(R3, "+", value)
    a.move(R4, 0)
    a.call(CALL_UPDATE)
