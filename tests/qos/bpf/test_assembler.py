"""Instructions are encoded as RFC 9669 says."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.bpf.assembler import R0, R1, R6, R10, Assembler, reg


def words(text: bytes) -> list[tuple[int, int, int, int, int]]:
    """Opcode, destination, source, offset and immediate of every slot."""
    return [(op, regs & 15, regs >> 4, off, imm) for op, regs, off, imm in struct.iter_unpack("<BBhi", text)]


def test_moves_loads_stores_and_exit_have_their_opcodes() -> None:
    a = Assembler()
    a.move(R0, 1)
    a.move(R6, reg(R1))
    a.load("u32", R1, R6, 40)
    a.store("u64", R10, -8, R0)
    a.store_imm("u32", R10, -4, 7)
    a.add_atomic(R0, 16, R1)
    a.call(46)
    a.exit()
    assert words(a.assemble()) == [
        (0xB7, 0, 0, 0, 1),
        (0xBF, 6, 1, 0, 0),
        (0x61, 1, 6, 40, 0),
        (0x7B, 10, 0, -8, 0),
        (0x62, 10, 0, -4, 7),
        (0xDB, 0, 1, 16, 0),
        (0x85, 0, 0, 0, 46),
        (0x95, 0, 0, 0, 0),
    ]


def test_division_and_byte_order_have_their_opcodes() -> None:
    a = Assembler()
    a.alu(R0, "/", reg(R1))
    a.alu(R0, "|", 5)
    a.big_endian_16(R6)
    a.compare_exchange(R6, 8, R1)
    assert words(a.assemble()) == [(0x3F, 0, 1, 0, 0), (0x47, 0, 0, 0, 5), (0xDC, 6, 0, 0, 16), (0xDB, 6, 1, 8, 0xF1)]


def test_jumps_reach_their_labels_forwards_and_backwards_over_wide_instructions() -> None:
    a = Assembler()
    a.label("top")
    a.jump_if(R1, "==", 5, "end")
    a.wide(R1, 0x1122334455667788)
    a.jump_if(R1, "!=", reg(R0), "top")
    a.label("end")
    a.exit()
    slots = words(a.assemble())
    assert slots[0] == (0x15, 1, 0, 3, 5)
    assert slots[1][4] == 0x55667788
    assert slots[2][4] == 0x11223344
    assert slots[3] == (0x5D, 1, 0, -4, 0)


def test_a_table_is_marked_so_that_the_kernel_puts_its_address_there() -> None:
    a = Assembler()
    a.map_fd(R1, 9)
    assert words(a.assemble()) == [(0x18, 1, 1, 0, 9), (0, 0, 0, 0, 0)]


def test_a_label_set_twice_or_never_is_refused() -> None:
    a = Assembler()
    a.label("x")
    with pytest.raises(ValueError, match="set twice"):
        a.label("x")
    a.jump("nowhere")
    with pytest.raises(ValueError, match="never set"):
        a.assemble()


@given(st.integers(0, 2**64 - 1))
def test_a_wide_immediate_keeps_every_bit(value: int) -> None:
    a = Assembler()
    a.wide(R1, value)
    low, high = (slot[4] & 0xFFFFFFFF for slot in words(a.assemble()))
    assert high << 32 | low == value
