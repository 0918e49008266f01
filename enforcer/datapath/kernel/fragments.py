"""Received datagrams in fragments: only the first has ports, the others follow it. Pure.

The first one's class and verdict are kept by source, destination, identification and protocol (RFC 791, RFC 8200 §4.5)
for some seconds: of a datagram that loses one fragment the others are of no use. One that overtakes its first passes.
"""

from typing import Final

from enforcer.datapath.kernel import frame, layout
from qos.bpf.assembler import R0, R1, R2, R7, R8, R9, R10, Assembler, reg

_V6_FRAGMENT: Final = 44
_SOURCE_V4, _SOURCE_V6 = 12, 8
_ID_AT, _PROTOCOL_AT = 32, 36
_AGE_SHIFT: Final = 32
"""A datagram is remembered for 4.3 to 8.6 s: an identification comes again."""
_CLASS_BITS: Final = 16


def look_v4(a: Assembler, other: str) -> None:
    """R1: flags and offset of the IPv4 header at ``frame.IP``. Falls through with a whole packet or a first fragment;
    else to ``later``."""
    _no_key(a)
    a.alu(R1, "&", 0x3FFF)
    a.jump_if(R1, "==", 0, "whole")
    a.store("u64", R10, frame.FRAGMENT, R1)
    frame.load_header(a, frame.FRAGMENT_KEY, 8, _SOURCE_V4, other)
    a.load("u16", R1, R10, frame.IP + 4)
    a.store("u32", R10, frame.FRAGMENT_KEY + _ID_AT, R1)
    a.load("u8", R1, R10, frame.IP + 9)
    a.store("u32", R10, frame.FRAGMENT_KEY + _PROTOCOL_AT, R1)
    a.load("u64", R1, R10, frame.FRAGMENT)
    a.alu(R1, "&", 0x1FFF)
    a.jump_if(R1, "!=", 0, "later")
    a.store_imm("u64", R10, frame.FRAGMENT, 1)
    a.label("whole")


def look_v6(a: Assembler, other: str) -> None:
    """R7, R8, R9: next header, its offset, bytes behind the IPv6 header. As ``look_v4``, behind a fragment header."""
    _no_key(a)
    a.jump_if(R7, "!=", _V6_FRAGMENT, "transport")
    frame.load_header(a, frame.IP, 8, None, other)
    a.load("u8", R7, R10, frame.IP)
    a.alu(R8, "+", 8)
    a.alu(R9, "-", 8)
    a.load("u16", R1, R10, frame.IP + 2)
    a.big_endian_16(R1)
    a.alu(R1, "&", 0xFFF9)
    a.jump_if(R1, "==", 0, "transport")
    a.store("u64", R10, frame.FRAGMENT, R1)
    a.load("u32", R1, R10, frame.IP + 4)
    a.store("u32", R10, frame.FRAGMENT_KEY + _ID_AT, R1)
    a.store("u32", R10, frame.FRAGMENT_KEY + _PROTOCOL_AT, R7)
    frame.load_header(a, frame.FRAGMENT_KEY, 32, _SOURCE_V6, other)
    a.load("u64", R1, R10, frame.FRAGMENT)
    a.alu(R1, "&", 0xFFF8)
    a.jump_if(R1, "!=", 0, "later")
    a.store_imm("u64", R10, frame.FRAGMENT, 1)


def _no_key(a: Assembler) -> None:
    for at in range(0, layout.FRAGMENT_KEY_BYTES, 8):
        a.store_imm("u64", R10, frame.FRAGMENT_KEY + at, 0)


def follow(a: Assembler, tables: frame.Tables, other: str) -> None:
    """``later``: R9 = the class of its first fragment; ``CONTROL``: what became of that."""
    a.label("later")
    a.store_imm("u64", R10, frame.FRAGMENT, 0)
    for at in range(0, 24, 8):  # no ports: all of them are one flow
        a.store_imm("u64", R10, frame.TRANSPORT + at, 0)
    frame.look_up(a, tables.fragments, frame.FRAGMENT_KEY)
    a.jump_if(R0, "==", 0, other)
    a.load("u64", R9, R0, 0)
    a.call(frame.CALL_NOW)
    a.alu(R0, ">>", _AGE_SHIFT)
    a.move(R1, reg(R9))
    a.alu(R1, ">>", _CLASS_BITS + 1)
    a.alu(R0, "-", reg(R1))
    a.jump_if(R0, ">", 1, other)
    a.move(R1, frame.ADMITTED)
    a.move(R2, reg(R9))
    a.alu(R2, ">>", _CLASS_BITS)
    a.alu(R2, "&", 1)
    a.alu(R1, "+", reg(R2))
    a.store("u64", R10, frame.CONTROL, R1)
    a.alu(R9, "&", (1 << _CLASS_BITS) - 1)


def note(a: Assembler, tables: frame.Tables, *, refused: bool) -> None:
    """Keep the class (at ``frame.KEY``) and the verdict of a first fragment. R0 to R5 are used."""
    done = f"noted_{refused}"
    a.load("u64", R1, R10, frame.FRAGMENT)
    a.jump_if(R1, "!=", 1, done)
    a.call(frame.CALL_NOW)
    a.alu(R0, ">>", _AGE_SHIFT)
    a.alu(R0, "<<", 1)
    a.alu(R0, "|", int(refused))
    a.alu(R0, "<<", _CLASS_BITS)
    a.load("u32", R1, R10, frame.KEY)
    a.alu(R0, "|", reg(R1))
    a.store("u64", R10, frame.FRAGMENT, R0)
    frame.keep(a, tables.fragments, frame.FRAGMENT_KEY, frame.FRAGMENT)
    a.label(done)
