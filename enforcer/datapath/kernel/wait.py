"""How long would it wait, and may it: the part of the limiting programs that counts and judges. Pure.

The wait that a packet will have is known when it comes: the class's rate is fixed, so what was taken in so far says
when the queue will be clear. CoDel (RFC 8289) judges that wait; of the flows of a class only those above their share
are dropped from (approximate fair dropping, Pan et al. 2003).
"""

from typing import Final

from enforcer.datapath.kernel import frame, layout
from qos.bpf.assembler import R0, R1, R2, R3, R4, R5, R7, R8, R9, R10, Assembler, reg

_SLACK_NS: Final = 2_000_000
"""So long an idle class may send ahead: HTB's burst."""
_DELAYED_NS: Final = 1_000_000
_WAIT_SHIFT: Final = 10
_MOST_WAIT: Final = (1 << 32) - 1
"""A wait is rescaled in units of a microsecond, and one over 73 minutes is cut to them: times a rate it must fit into
64 bits."""


def clock(a: Assembler) -> None:
    """On the stack: now, the wait that a packet of R9 bytes has, and its time at the class's rate."""
    a.call(frame.CALL_NOW)
    a.store("u64", R10, frame.NOW_AT, R0)
    a.move(R5, reg(R0))
    _follow_the_rate(a)
    a.move(R0, reg(R5))
    a.load("u64", R1, R8, layout.CLEAR_AT)
    a.move(R2, reg(R0))
    a.alu(R2, "-", _SLACK_NS)
    a.jump_if(R1, ">=", reg(R2), "recent")
    a.store("u64", R8, layout.CLEAR_AT, R2)
    a.move(R1, reg(R2))
    a.label("recent")
    a.move(R2, 0)
    a.jump_if(R1, "<=", reg(R0), "no_wait")
    a.move(R2, reg(R1))
    a.alu(R2, "-", reg(R0))
    a.label("no_wait")
    a.store("u64", R10, frame.WAIT, R2)
    a.move(R1, reg(R9))
    a.wide(R2, 1_000_000_000)
    a.alu(R1, "*", reg(R2))
    a.load("u64", R2, R7, layout.RATE_AT)
    a.alu(R1, "/", reg(R2))
    a.store("u64", R10, frame.TIME, R1)


def _follow_the_rate(a: Assembler) -> None:
    """What waits is bytes: at another rate it is clear at another time. R5 is now; one processor does it, once."""
    a.load("u64", R3, R7, layout.RATE_AT)
    a.load("u64", R4, R8, layout.CLOCK_RATE_AT)
    a.jump_if(R3, "==", reg(R4), "same_rate")
    a.move(R0, reg(R4))
    a.compare_exchange(R8, layout.CLOCK_RATE_AT, R3)
    a.jump_if(R0, "!=", reg(R4), "same_rate")
    a.jump_if(R4, "==", 0, "same_rate")
    a.load("u64", R2, R8, layout.CLEAR_AT)
    a.jump_if(R2, "<=", reg(R5), "same_rate")
    a.alu(R2, "-", reg(R5))
    a.move(R1, reg(R2))
    a.alu(R1, ">>", _WAIT_SHIFT)
    a.wide(R0, _MOST_WAIT)
    a.jump_if(R1, "<=", reg(R0), "rescale")
    a.move(R1, reg(R0))
    a.label("rescale")
    a.alu(R1, "*", reg(R4))
    a.alu(R1, "/", reg(R3))
    a.alu(R1, "<<", _WAIT_SHIFT)
    a.alu(R1, "-", reg(R2))
    a.add_atomic(R8, layout.CLEAR_AT, R1)
    a.label("same_rate")


def admit(a: Assembler) -> None:
    """Count the packet in: R9 bytes."""
    a.move(R1, 1)
    a.add_atomic(R8, layout.PACKETS_AT, R1)
    a.add_atomic(R8, layout.BYTES_AT, R9)
    a.load("u64", R1, R10, frame.TIME)
    a.add_atomic(R8, layout.CLEAR_AT, R1)
    # The worst wait since this process looked.
    a.load("u64", R2, R10, frame.WAIT)
    a.load("u64", R1, R7, layout.ROUND_AT)
    a.load("u64", R3, R8, layout.WORST_ROUND_AT)
    a.jump_if(R1, "==", reg(R3), "same_round")
    a.store("u64", R8, layout.WORST_ROUND_AT, R1)
    a.store("u64", R8, layout.WORST_AT, R2)
    a.label("same_round")
    a.load("u64", R1, R8, layout.WORST_AT)
    a.jump_if(R2, "<=", reg(R1), "not_worse")
    a.store("u64", R8, layout.WORST_AT, R2)
    a.label("not_worse")
    a.jump_if(R2, "<=", _DELAYED_NS, "not_delayed")
    a.move(R1, 1)
    a.add_atomic(R8, layout.DELAYED_AT, R1)
    a.label("not_delayed")


def find_bucket(a: Assembler, tables: frame.Tables, other: str) -> None:
    """The flow's bucket at ``BUCKET``, counted up by R9 bytes; the class's epoch with it. The class is at ``KEY``."""
    a.load("u16", R1, R10, frame.TRANSPORT + frame.SOURCE_PORT)
    a.load("u16", R2, R10, frame.TRANSPORT + frame.DESTINATION_PORT)
    a.alu(R1, "+", reg(R2))
    a.move(R2, reg(R1))
    a.alu(R2, ">>", 8)  # network order: the lower byte of each port is the upper one here
    a.alu(R1, "+", reg(R2))
    a.alu(R1, "&", layout.BUCKETS - 1)
    a.load("u32", R2, R10, frame.KEY)
    a.alu(R2, "*", layout.BUCKETS)
    a.alu(R1, "+", reg(R2))
    a.store("u32", R10, frame.CLASS, R1)
    frame.look_up(a, tables.buckets, frame.CLASS)
    a.jump_if(R0, "==", 0, other)
    a.store("u64", R10, frame.BUCKET, R0)
    a.load("u64", R1, R10, frame.NOW_AT)
    a.alu(R1, ">>", layout.EPOCH_SHIFT)
    a.load("u64", R2, R8, layout.EPOCH_AT)
    a.jump_if(R1, "==", reg(R2), "same_epoch")
    a.store("u64", R8, layout.EPOCH_AT, R1)
    a.store_imm("u64", R8, layout.EPOCH_BYTES_AT, 0)
    a.store_imm("u64", R8, layout.EPOCH_FLOWS_AT, 0)
    a.label("same_epoch")
    a.load("u64", R2, R0, layout.BUCKET_EPOCH_AT)
    a.jump_if(R1, "==", reg(R2), "same_bucket")
    a.store("u64", R0, layout.BUCKET_EPOCH_AT, R1)
    a.store_imm("u64", R0, layout.BUCKET_BYTES_AT, 0)
    a.move(R1, 1)
    a.add_atomic(R8, layout.EPOCH_FLOWS_AT, R1)
    a.label("same_bucket")
    a.add_atomic(R0, layout.BUCKET_BYTES_AT, R9)
    a.add_atomic(R8, layout.EPOCH_BYTES_AT, R9)


def judge(a: Assembler, tables: frame.Tables) -> None:
    """CoDel on the wait: falls through to admit, or jumps to ``refuse``."""
    a.load("u64", R3, R10, frame.WAIT)
    a.load("u64", R2, R7, layout.BOUND_AT)
    a.jump_if(R3, ">", reg(R2), "too_long")
    a.load("u64", R2, R7, layout.TARGET_AT)
    a.jump_if(R2, "==", 0, "admit")
    a.load("u64", R4, R10, frame.NOW_AT)
    a.jump_if(R3, ">=", reg(R2), "above")
    a.store_imm("u64", R8, layout.ABOVE_AT, 0)
    a.load("u64", R1, R8, layout.NEXT_DROP_AT)
    a.jump_if(R1, "==", 0, "admit")
    a.store("u64", R8, layout.LAST_DROP_AT, R1)  # the dropping state ends; its count is remembered for a while
    a.store_imm("u64", R8, layout.NEXT_DROP_AT, 0)
    a.jump("admit")
    a.label("above")
    a.load("u64", R1, R8, layout.ABOVE_AT)
    a.jump_if(R1, "!=", 0, "for_how_long")
    a.move(R1, reg(R4))
    a.load("u64", R2, R7, layout.INTERVAL_AT)
    a.alu(R1, "+", reg(R2))
    a.store("u64", R8, layout.ABOVE_AT, R1)
    a.jump("admit")
    a.label("for_how_long")
    a.jump_if(R4, "<", reg(R1), "admit")
    a.load("u64", R1, R8, layout.NEXT_DROP_AT)
    a.jump_if(R1, "==", 0, "begin")
    a.jump_if(R4, "<", reg(R1), "admit")
    _only_above_its_share(a)
    a.load("u64", R2, R8, layout.COUNT_AT)
    a.alu(R2, "+", 1)
    a.load("u64", R5, R8, layout.NEXT_DROP_AT)
    a.jump("drop")
    a.label("begin")
    _only_above_its_share(a)
    a.load("u64", R1, R8, layout.LAST_DROP_AT)
    a.load("u64", R2, R7, layout.INTERVAL_AT)
    a.alu(R2, "<<", 4)
    a.alu(R1, "+", reg(R2))
    a.load("u64", R4, R10, frame.NOW_AT)
    a.move(R5, reg(R4))
    a.load("u64", R2, R8, layout.COUNT_AT)
    a.jump_if(R1, "<=", reg(R4), "afresh")
    a.jump_if(R2, "<=", 2, "afresh")
    a.alu(R2, "-", 2)
    a.jump("drop")
    a.label("afresh")
    a.move(R2, 1)
    a.label("drop")
    # R2: the count; R5: from when the next drop is reckoned.
    a.store("u64", R8, layout.COUNT_AT, R2)
    a.store("u64", R8, layout.NEXT_DROP_AT, R5)
    a.jump_if(R2, "<", layout.ROOTS, "small_count")
    a.move(R2, layout.ROOTS - 1)
    a.label("small_count")
    a.store("u32", R10, frame.CLASS, R2)
    frame.look_up(a, tables.roots, frame.CLASS)
    a.jump_if(R0, "==", 0, "admit")
    a.load("u32", R1, R0, 0)
    a.load("u64", R2, R7, layout.INTERVAL_AT)
    a.alu(R1, "*", reg(R2))
    a.alu(R1, ">>", 16)
    # CoDel drops at the queue's head and is heard at once; what is dropped on its way in is heard a wait later. Without
    # this the next to go was the retransmission, and the connection waited for its timeout.
    a.load("u64", R2, R10, frame.WAIT)
    a.alu(R1, "+", reg(R2))
    a.add_atomic(R8, layout.NEXT_DROP_AT, R1)
    a.jump("refuse")
    a.label("too_long")
    a.alu(R2, "<<", 1)
    a.jump_if(R3, ">", reg(R2), "refuse")
    _only_above_its_share(a)
    a.jump("refuse")


def bound(a: Assembler) -> None:
    """A later fragment is let in with its first one, as long as the wait is bounded: falls through, or to ``lose``."""
    a.load("u64", R3, R10, frame.WAIT)
    a.load("u64", R2, R7, layout.BOUND_AT)
    a.alu(R2, "<<", 1)
    a.jump_if(R3, ">", reg(R2), "lose")


def _only_above_its_share(a: Assembler) -> None:
    """A flow that brought less than the mean of its class in this epoch is let in. R1 to R3 are used."""
    a.load("u64", R1, R10, frame.BUCKET)
    a.load("u64", R1, R1, layout.BUCKET_BYTES_AT)
    a.load("u64", R2, R8, layout.EPOCH_FLOWS_AT)
    a.alu(R1, "*", reg(R2))
    a.load("u64", R2, R8, layout.EPOCH_BYTES_AT)
    a.jump_if(R1, "<", reg(R2), "admit")
