"""The text of the counting programs and the layout of what they store. Pure: bytes out; ``qos.bpf`` loads them.

Four programs at the cgroup v2 root. Two see every IP packet of every socket (CGROUP_SKB, ingress and egress) and add
its bytes and packets to the socket's ``Flow``, found by the socket's cookie. One runs when a process creates a socket
and stores who that was as an ``Origin``, before the first packet. One runs when a socket is closed, so that its
entries can be taken out once they were read. Nothing is evicted on its own: a full table counts what it could not
take, in ``stats``, so a loss is always known.

Bytes are those of the packets on the wire at the IP layer: a segmented or merged packet (GSO, GRO) counts every
packet's own headers. Loopback (interface 1 in every namespace) and other network namespaces are left out here.
Sources: kernel Documentation/bpf, docs.ebpf.io (CGROUP_SKB, CGROUP_SOCK), ``linux/bpf.h`` (offsets of the contexts).
"""

from collector.capture.kernel.layout import (
    CLOSED,
    CLOSED_AT,
    CLOSED_ELSEWHERE,
    COUNTERS_AT,
    EVENT,
    EVENT_GAP_NS,
    FAMILY_AT,
    FLOW_BYTES,
    LOCAL_AT,
    LOCAL_PORT_AT,
    ORIGIN_BYTES,
    PROTOCOL_AT,
    REMOTE_AT,
    REMOTE_PORT_AT,
    STATS,
    TYPE_AT,
    Direction,
    Maps,
)
from qos.bpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, R10, Assembler, reg

# Helper numbers, linux/bpf.h.
_LOOKUP, _UPDATE, _DELETE = 1, 2, 3
_PID_TGID, _COMM, _LOAD_BYTES, _COOKIE, _FULL_SOCK = 14, 16, 26, 46, 95
_NETNS_COOKIE, _BOOT_NS, _RING_OUTPUT = 122, 125, 130

# Offsets in struct __sk_buff and struct bpf_sock.
_LEN, _IFINDEX, _FAMILY, _REMOTE4, _LOCAL4, _REMOTE6, _LOCAL6 = 0, 40, 88, 92, 96, 100, 116
_REMOTE_PORT, _LOCAL_PORT, _GSO_SEGS, _SK = 132, 136, 164, 168
_SK_FAMILY, _SK_TYPE, _SK_PROTOCOL = 4, 8, 12

_INET, _RAW, _TCP, _LOOPBACK_INDEX, _NO_EXIST = 2, 3, 6, 1, 1


def _call_map(a: Assembler, helper: int, fd: int, key: int) -> None:
    a.map_fd(R1, fd)
    a.move(R2, reg(R10))
    a.alu(R2, "+", key)
    a.call(helper)


def _stay_in(a: Assembler, namespace: int | None, elsewhere: str) -> None:
    if namespace is None:
        return
    a.move(R1, reg(R6))
    a.call(_NETNS_COOKIE)
    a.wide(R1, namespace)
    a.jump_if(R0, "!=", reg(R1), elsewhere)


def _size_on_the_wire(a: Assembler) -> None:
    """R7 bytes, R8 packets: a GSO or GRO packet counts ``segments - 1`` headers more than it carries."""
    a.load("u32", R7, R6, _LEN)
    a.move(R8, 1)
    a.load("u32", R9, R6, _GSO_SEGS)
    a.jump_if(R9, "<=", 1, "sized")
    a.move(R8, reg(R9))
    _byte_at(a, 0, None)
    a.move(R3, reg(R2))
    a.alu(R3, ">>", 4)
    a.jump_if(R3, "==", 6, "header6")
    a.alu(R2, "&", 15)
    a.alu(R2, "<<", 2)
    a.move(R9, reg(R2))
    _byte_at(a, 9, None)
    a.jump("transport")
    a.label("header6")
    a.move(R9, 40)
    _byte_at(a, 6, None)
    a.label("transport")
    a.jump_if(R2, "!=", _TCP, "datagram")
    _byte_at(a, 12, R9)
    a.alu(R2, ">>", 4)
    a.alu(R2, "<<", 2)
    a.alu(R9, "+", reg(R2))
    a.jump("headers")
    a.label("datagram")
    a.alu(R9, "+", 8)
    a.label("headers")
    a.move(R2, reg(R8))
    a.alu(R2, "-", 1)
    a.alu(R2, "*", reg(R9))
    a.alu(R7, "+", reg(R2))
    a.label("sized")


def _byte_at(a: Assembler, offset: int, base: int | None) -> None:
    """R2 = the packet's byte at ``offset`` (plus the register ``base``)."""
    a.move(R1, reg(R6))
    a.move(R2, offset)
    if base is not None:
        a.alu(R2, "+", reg(base))
    a.move(R3, reg(R10))
    a.alu(R3, "+", -16)
    a.move(R4, 1)
    a.call(_LOAD_BYTES)
    a.jump_if(R0, "!=", 0, "sized")
    a.load("u8", R2, R10, -16)


def count_packets(direction: Direction, maps: Maps, namespace: int | None) -> bytes:
    """The program for one direction. ``namespace``: count only sockets of the network namespace with this cookie."""
    a = Assembler()
    bytes_at, packets_at = COUNTERS_AT[direction]
    key, flow = -8, -8 - FLOW_BYTES
    a.move(R6, reg(R1))
    a.load("u32", R2, R6, _IFINDEX)
    a.jump_if(R2, "==", _LOOPBACK_INDEX, "pass")
    if maps.interfaces is not None:
        a.store("u32", R10, -4, R2)
        _call_map(a, _LOOKUP, maps.interfaces, -4)
        a.jump_if(R0, "==", 0, "pass")
    _size_on_the_wire(a)
    _stay_in(a, namespace, "elsewhere")
    a.move(R1, reg(R6))
    a.call(_COOKIE)
    a.jump_if(R0, "==", 0, "nameless")
    a.store("u64", R10, key, R0)
    _call_map(a, _LOOKUP, maps.flows, key)
    a.jump_if(R0, "!=", 0, "known")
    _first_packet(a, direction, maps.flows, key, flow)
    a.label("known")
    if direction == "rx":  # every raw socket gets a copy of every packet: only what it sends is its own
        a.load("u32", R1, R0, TYPE_AT)
        a.jump_if(R1, "==", _RAW, "raw")
    a.add_atomic(R0, bytes_at, R7)
    a.add_atomic(R0, packets_at, R8)
    a.label("pass")
    a.move(R0, 1)
    a.exit()
    for at, name in enumerate(STATS):
        if not a.refers_to(name):
            continue
        a.label(name)
        a.move(R1, at)
        a.jump("tally")
    a.label("tally")
    a.store("u32", R10, -4, R1)
    _call_map(a, _LOOKUP, maps.stats, -4)
    a.jump_if(R0, "==", 0, "pass")
    a.add_atomic(R0, 0, R8)
    a.add_atomic(R0, 8, R7)
    a.jump("pass")
    return a.assemble()


def _first_packet(a: Assembler, direction: Direction, flows: int, key: int, flow: int) -> None:
    """Put the socket into the table; R0 is its entry afterwards."""
    for at in range(0, FLOW_BYTES, 8):
        a.store_imm("u64", R10, flow + at, 0)
    a.load("u64", R1, R6, _SK)
    a.jump_if(R1, "==", 0, "nameless")
    a.call(_FULL_SOCK)
    a.jump_if(R0, "==", 0, "nameless")
    a.load("u32", R1, R0, _SK_TYPE)
    a.store("u32", R10, flow + TYPE_AT, R1)
    if direction == "rx":
        a.jump_if(R1, "==", _RAW, "raw")
    a.load("u32", R1, R0, _SK_PROTOCOL)
    a.store("u32", R10, flow + PROTOCOL_AT, R1)
    a.load("u32", R1, R6, _LOCAL_PORT)
    a.store("u32", R10, flow + LOCAL_PORT_AT, R1)
    a.load("u32", R1, R6, _REMOTE_PORT)
    a.store("u32", R10, flow + REMOTE_PORT_AT, R1)
    a.load("u32", R1, R6, _FAMILY)
    a.store("u32", R10, flow + FAMILY_AT, R1)
    a.jump_if(R1, "!=", _INET, "six")
    a.load("u32", R1, R6, _LOCAL4)
    a.store("u32", R10, flow + LOCAL_AT, R1)
    a.load("u32", R1, R6, _REMOTE4)
    a.store("u32", R10, flow + REMOTE_AT, R1)
    a.jump("insert")
    a.label("six")
    for word in range(4):
        a.load("u32", R1, R6, _LOCAL6 + 4 * word)
        a.store("u32", R10, flow + LOCAL_AT + 4 * word, R1)
        a.load("u32", R1, R6, _REMOTE6 + 4 * word)
        a.store("u32", R10, flow + REMOTE_AT + 4 * word, R1)
    a.label("insert")
    a.map_fd(R1, flows)
    a.move(R2, reg(R10))
    a.alu(R2, "+", key)
    a.move(R3, reg(R10))
    a.alu(R3, "+", flow)
    a.move(R4, _NO_EXIST)
    a.call(_UPDATE)
    # Another processor may have put it there in between: what counts is that it is there now.
    _call_map(a, _LOOKUP, flows, key)
    a.jump_if(R0, "==", 0, "lost")


def note_creation(maps: Maps, namespace: int | None) -> bytes:
    """The program for INET_SOCK_CREATE: the ``Origin`` by cookie, and an announcement of a process not seen lately."""
    a = Assembler()
    key, origin = -8, -8 - ORIGIN_BYTES
    a.move(R6, reg(R1))
    _stay_in(a, namespace, "done")
    for at in range(0, ORIGIN_BYTES, 8):
        a.store_imm("u64", R10, origin + at, 0)
    a.move(R1, reg(R6))
    a.call(_NETNS_COOKIE)
    a.store("u64", R10, origin, R0)
    a.move(R1, reg(R6))
    a.call(_COOKIE)
    a.store("u64", R10, key, R0)
    a.call(_BOOT_NS)
    a.move(R7, reg(R0))
    a.store("u64", R10, origin + 8, R0)
    a.call(_PID_TGID)
    a.alu(R0, ">>", 32)
    a.move(R8, reg(R0))
    a.store("u32", R10, origin + 16, R0)
    for at, offset in ((20, _SK_FAMILY), (24, _SK_TYPE), (28, _SK_PROTOCOL)):
        a.load("u32", R1, R6, offset)
        a.store("u32", R10, origin + at, R1)
    a.move(R1, reg(R10))
    a.alu(R1, "+", origin + 32)
    a.move(R2, 16)
    a.call(_COMM)
    a.map_fd(R1, maps.origins)
    a.move(R2, reg(R10))
    a.alu(R2, "+", key)
    a.move(R3, reg(R10))
    a.alu(R3, "+", origin)
    a.move(R4, 0)
    a.call(_UPDATE)
    if maps.ring is not None and maps.seen is not None:
        _announce(a, maps.seen, maps.ring)
    a.label("done")
    a.move(R0, 1)
    a.exit()
    return a.assemble()


def _announce(a: Assembler, seen: int, ring: int) -> None:
    """R7 time, R8 PID: to the ring unless that PID was announced a moment ago."""
    event, pid = -16, -24
    a.store("u64", R10, event, R7)
    a.store("u64", R10, event + 8, R8)
    a.store("u64", R10, pid, R8)
    _call_map(a, _LOOKUP, seen, pid)
    a.jump_if(R0, "==", 0, "fresh")
    a.load("u64", R1, R0, 0)
    a.alu(R7, "-", reg(R1))
    a.jump_if(R7, "<=", EVENT_GAP_NS, "done")
    a.label("fresh")
    a.map_fd(R1, seen)
    a.move(R2, reg(R10))
    a.alu(R2, "+", pid)
    a.move(R3, reg(R10))
    a.alu(R3, "+", event)
    a.move(R4, 0)
    a.call(_UPDATE)
    a.map_fd(R1, ring)
    a.move(R2, reg(R10))
    a.alu(R2, "+", event)
    a.move(R3, EVENT.size)
    a.move(R4, 0)
    a.call(_RING_OUTPUT)


def note_release(maps: Maps, namespace: int | None) -> bytes:
    """The program for INET_SOCK_RELEASE: a socket with traffic is marked closed, one without is forgotten at once.

    The mark tells whether the socket was of the network namespace ``namespace``: this program may ask on every kernel.
    """
    a = Assembler()
    a.move(R6, reg(R1))
    a.call(_COOKIE)
    a.store("u64", R10, -8, R0)
    _call_map(a, _LOOKUP, maps.flows, -8)
    a.jump_if(R0, "==", 0, "unused")
    a.move(R7, reg(R0))
    _stay_in(a, namespace, "foreign")
    a.store_imm("u32", R7, CLOSED_AT, CLOSED)
    a.jump("done")
    if namespace is not None:
        a.label("foreign")
        a.store_imm("u32", R7, CLOSED_AT, CLOSED_ELSEWHERE)
        a.jump("done")
    a.label("unused")
    _call_map(a, _DELETE, maps.origins, -8)
    a.label("done")
    a.move(R0, 1)
    a.exit()
    return a.assemble()
