"""The text of the limiting programs. Pure: bytes out; ``attachments`` loads them.

Five programs (docs/decisions/0110):

- ``note_creation`` (cgroup, a socket is made): who makes it, by the process's name, so that the first packet is held;
- ``choose_sent`` (cgroup, egress): a packet of a limited local port gets its class's handle as its priority;
- ``hold_sent`` (tcx egress of every interface): a packet with such a priority is counted, dropped where its queue is
  full, and goes through our veth pair, whose HTB holds it, and comes back by ``return_sent`` (tcx ingress of the
  pair's far end), its priority zeroed;
- ``hold_received`` (tcx ingress of every interface): a packet for a limited local port is counted, dropped or marked
  where its class's queue stands too long, and goes through our IFB, whose HTB holds it.

``classify`` finds the class of a packet (``fragments`` that of one without ports), ``wait`` judges how long it would
wait, ``frame`` is what they share.
Source: docs.ebpf.io (SCHED_CLS, CGROUP_SKB, CGROUP_SOCK, tcx).
"""

from typing import Final

from enforcer.datapath.kernel import classify, fragments, frame, layout, wait
from qos.bpf.assembler import R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, Assembler, reg

_NEXT, _DROP = -1, 2  # TCX_NEXT, TCX_DROP
_SEGMENT_HEADERS: Final = 52
"""IP and TCP headers that every further segment of a merged packet had on the wire, at the least."""


def note_creation(names: int, born: int, processes: int, namespace: int | None) -> bytes:
    """The cgroup's program for new sockets: one that a limited application makes is noted before its first packet.

    ``processes``: classes of the processes that are known (``NOBODY``: never held); of the others the name decides.
    ``namespace``: only sockets of the network namespace with this cookie.
    """
    a = Assembler()
    a.move(R6, reg(R1))
    if namespace is not None:
        a.call(frame.CALL_NETNS_COOKIE)
        a.wide(R1, namespace)
        a.jump_if(R0, "!=", reg(R1), "done")
    a.call(frame.CALL_PID_TGID)
    a.alu(R0, ">>", 32)
    a.store("u32", R10, frame.CLASS, R0)
    frame.look_up(a, processes, frame.CLASS)
    a.jump_if(R0, "!=", 0, "known")
    a.store_imm("u64", R10, frame.IP, 0)
    a.store_imm("u64", R10, frame.IP + 8, 0)
    a.move(R1, reg(R10))
    a.alu(R1, "+", frame.IP)
    a.move(R2, layout.NAME_BYTES)
    a.call(frame.CALL_COMM)
    frame.look_up(a, names, frame.IP)
    a.jump_if(R0, "==", 0, "done")
    a.label("known")
    a.load("u32", R9, R0, 0)
    a.jump_if(R9, "==", layout.NOBODY, "done")
    a.store("u32", R10, frame.CLASS, R9)
    a.move(R1, reg(R6))
    a.call(frame.CALL_COOKIE)
    a.store("u64", R10, frame.IP, R0)
    frame.keep(a, born, frame.IP, frame.CLASS)
    a.label("done")
    a.move(R0, 1)
    a.exit()
    return a.assemble()


def choose_sent(tables: frame.Tables) -> bytes:
    """The cgroup's egress program: the priority of a limited application's packets says their class."""
    a = Assembler()
    a.move(R6, reg(R1))
    classify.find_class(a, tables, sent=True, other="done")
    a.load("u64", R1, R10, frame.CONTROL)
    a.jump_if(R1, "!=", 0, "done")
    a.alu(R9, "*", layout.MINOR_STEP)
    a.alu(R9, "|", layout.MAJOR << 16)
    a.store("u32", R6, frame.SKB_PRIORITY, R9)
    a.label("done")
    a.move(R0, 1)
    a.exit()
    return a.assemble()


def hold_sent(tables: frame.Tables, pair: int, *, header_bytes: int) -> bytes:
    """tcx egress of an interface with a link-layer header of ``header_bytes``: through the veth of index ``pair``."""
    a = Assembler()
    a.move(R6, reg(R1))
    a.load("u32", R9, R6, frame.SKB_PRIORITY)
    a.move(R1, reg(R9))
    a.alu(R1, ">>", 16)
    a.jump_if(R1, "!=", layout.MAJOR, "next")
    a.load("u32", R1, R6, frame.SKB_IFINDEX)
    a.jump_if(R1, ">", 0xFFFF, "next")  # tc_index holds 16 bits
    a.alu(R9, "&", 0xFFFF)
    a.alu(R9, "/", layout.MINOR_STEP)
    classify.find_rule(a, tables, "next")
    classify.find_state(a, tables, "next")
    a.load("u32", R9, R6, frame.SKB_WIRE_LEN)
    a.alu(R9, "-", header_bytes)
    wait.clock(a)
    a.load("u64", R1, R10, frame.WAIT)
    a.load("u64", R2, R7, layout.BOUND_AT)
    a.jump_if(R1, ">", reg(R2), "full")
    wait.admit(a)
    a.load("u32", R1, R6, frame.SKB_IFINDEX)
    a.store("u32", R6, frame.SKB_TC_INDEX, R1)
    _add_header(a, header_bytes)
    a.move(R1, pair)
    a.move(R2, 0)
    a.call(frame.CALL_REDIRECT)
    a.exit()
    a.label("full")
    _drop(a)
    a.label("next")
    a.move(R0, _NEXT)
    a.exit()
    return a.assemble()


def return_sent() -> bytes:
    """tcx ingress of the pair's far end: on to the interface that the packet was meant for."""
    a = Assembler()
    a.load("u32", R1, R1, frame.SKB_TC_INDEX)
    a.move(R2, 0)
    a.call(frame.CALL_REDIRECT)
    a.exit()
    return a.assemble()


def hold_received(tables: frame.Tables, ifb: int, *, header_bytes: int) -> bytes:
    """tcx ingress of an interface with a link-layer header of ``header_bytes``: through the IFB of index ``ifb``."""
    a = Assembler()
    a.move(R6, reg(R1))
    a.load("u32", R1, R6, frame.SKB_TC_INDEX)
    a.jump_if(R1, "==", layout.MARK, "next")
    a.load("u32", R1, R6, frame.SKB_PKT_TYPE)
    a.jump_if(R1, "!=", 0, "next")  # broadcast, multicast, somebody else's
    classify.find_class(a, tables, sent=False, other="next")
    classify.find_state(a, tables, "next")
    # Bytes at the IP layer; every further segment of a merged packet had its own headers.
    a.load("u32", R9, R6, frame.SKB_LEN)
    a.alu(R9, "-", header_bytes)
    a.load("u32", R1, R6, frame.SKB_GSO_SEGS)
    a.jump_if(R1, "<=", 1, "single")
    a.alu(R1, "-", 1)
    a.alu(R1, "*", _SEGMENT_HEADERS)
    a.alu(R9, "+", reg(R1))
    a.label("single")
    wait.clock(a)
    a.load("u64", R1, R10, frame.CONTROL)
    a.jump_if(R1, "==", frame.AT_ONCE, "control")
    a.jump_if(R1, "==", frame.REFUSED, "lose")
    a.jump_if(R1, "!=", frame.ADMITTED, "judge")
    wait.bound(a)
    a.jump("admit")
    a.label("judge")
    wait.find_bucket(a, tables, "admit")
    wait.judge(a, tables)
    a.label("refuse")
    a.move(R1, reg(R6))
    a.call(frame.CALL_SET_CE)
    a.jump_if(R0, "==", 1, "marked")
    a.label("lose")
    fragments.note(a, tables, refused=True)
    _drop(a)
    a.label("marked")
    a.move(R1, 1)
    a.add_atomic(R8, layout.MARKED_AT, R1)
    a.label("admit")
    fragments.note(a, tables, refused=False)
    wait.admit(a)
    a.move(R1, layout.MARK)
    a.store("u32", R6, frame.SKB_TC_INDEX, R1)
    a.load("u32", R1, R10, frame.KEY)
    a.alu(R1, "*", layout.MINOR_STEP)
    a.alu(R1, "|", layout.MAJOR << 16)
    a.store("u32", R6, frame.SKB_PRIORITY, R1)
    _add_header(a, header_bytes)
    a.move(R1, ifb)
    a.move(R2, 0)
    a.call(frame.CALL_REDIRECT)
    a.exit()
    a.label("control")  # charged, and not held
    a.add_atomic(R8, layout.BYTES_AT, R9)
    a.load("u64", R1, R10, frame.TIME)
    a.add_atomic(R8, layout.CLEAR_AT, R1)
    a.label("next")
    a.move(R0, _NEXT)
    a.exit()
    return a.assemble()


def _drop(a: Assembler) -> None:
    """Count the packet of R9 bytes as dropped, and drop it."""
    a.move(R1, 1)
    a.add_atomic(R8, layout.DROPPED_AT, R1)
    a.add_atomic(R8, layout.DROPPED_BYTES_AT, R9)
    a.move(R0, _DROP)
    a.exit()


def _add_header(a: Assembler, header_bytes: int) -> None:
    """Of an interface without link-layer headers (tun, WireGuard, PPP): our devices need one, the way back drops it."""
    if header_bytes:
        return
    a.load("u32", R9, R6, frame.SKB_PROTOCOL)
    a.move(R1, reg(R6))
    a.move(R2, 14)
    a.move(R3, 0)
    a.call(frame.CALL_CHANGE_HEAD)
    a.jump_if(R0, "!=", 0, "next")
    for at in range(0, 16, 8):
        a.store_imm("u64", R10, frame.IP + at, 0)
    a.store("u16", R10, frame.IP + 12, R9)
    a.move(R1, reg(R6))
    a.move(R2, 0)
    a.move(R3, reg(R10))
    a.alu(R3, "+", frame.IP)
    a.move(R4, 14)
    a.move(R5, 0)
    a.call(frame.CALL_STORE)
