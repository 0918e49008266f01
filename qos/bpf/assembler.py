"""A tiny assembler for eBPF: instructions with labels in, bytes out. Pure; knows nothing of the kernel's calls.

Only what the programs of this project need. The encoding is that of RFC 9669 (BPF Instruction Set Architecture):
eight bytes an instruction - opcode, destination and source register, a 16-bit offset, a 32-bit immediate - and 16 for
a 64-bit immediate. Jump targets are labels, resolved by ``assemble``.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, Literal

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)

Width = Literal["u8", "u16", "u32", "u64"]
Test = Literal["==", "!=", ">", ">=", "<", "<="]

_SIZE: Final = {"u32": 0x00, "u16": 0x08, "u8": 0x10, "u64": 0x18}
_JUMP: Final = {"==": 0x10, "!=": 0x50, ">": 0x20, ">=": 0x30, "<": 0xA0, "<=": 0xB0}
_ALU: Final = {"+": 0x00, "-": 0x10, "*": 0x20, "/": 0x30, "|": 0x40, "&": 0x50, "<<": 0x60, ">>": 0x70, "=": 0xB0}
_PSEUDO_MAP_FD: Final = 1


@dataclass(slots=True)
class Register:
    """Marks an operand as a register where a number would be an immediate."""

    number: int


def reg(number: int) -> Register:
    """The register ``number`` as an operand."""
    return Register(number)


@dataclass(slots=True)
class Assembler:
    """Collects instructions in order; every method appends one (``wide`` and ``map_fd``: two slots)."""

    _words: list[bytes | tuple[int, int, int, int, str]] = field(default_factory=list)
    _labels: dict[str, int] = field(default_factory=dict)

    def _emit(self, opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> None:
        self._words.append(struct.pack("<BBhi", opcode, src << 4 | dst, offset, imm))

    def label(self, name: str) -> None:
        """The next instruction's name. Raises ValueError when the name is taken."""
        if name in self._labels:
            raise ValueError(f"label {name!r} is set twice")
        self._labels[name] = len(self._words)

    def alu(self, dst: int, operation: str, operand: int | Register) -> None:
        """64-bit ``dst = dst operation operand``; ``=`` moves."""
        if isinstance(operand, Register):
            self._emit(0x0F | _ALU[operation], dst, operand.number)
        else:
            self._emit(0x07 | _ALU[operation], dst, imm=operand)

    def move(self, dst: int, operand: int | Register) -> None:
        """``dst = operand``."""
        self.alu(dst, "=", operand)

    def load(self, width: Width, dst: int, base: int, offset: int) -> None:
        """``dst = *(width *)(base + offset)``."""
        self._emit(0x61 | _SIZE[width], dst, base, offset)

    def store(self, width: Width, base: int, offset: int, src: int) -> None:
        """``*(width *)(base + offset) = src``."""
        self._emit(0x63 | _SIZE[width], base, src, offset)

    def store_imm(self, width: Width, base: int, offset: int, imm: int) -> None:
        """``*(width *)(base + offset) = imm``."""
        self._emit(0x62 | _SIZE[width], base, 0, offset, imm)

    def add_atomic(self, base: int, offset: int, src: int) -> None:
        """``*(u64 *)(base + offset) += src``, atomically."""
        self._emit(0xDB, base, src, offset)

    def compare_exchange(self, base: int, offset: int, src: int) -> None:
        """``*(u64 *)(base + offset)`` becomes ``src`` if it is R0; R0 = what it was. Atomically (Linux 5.12)."""
        self._emit(0xDB, base, src, offset, 0xF1)

    def big_endian_16(self, dst: int) -> None:
        """``dst``'s lower 16 bits from network order to this machine's (or back); the rest becomes zero."""
        self._emit(0xDC, dst, imm=16)

    def wide(self, dst: int, value: int) -> None:
        """``dst = value``, 64 bits."""
        self._words.append(struct.pack("<BBhi", 0x18, dst, 0, _signed(value & 0xFFFFFFFF)))
        self._words.append(struct.pack("<BBhi", 0, 0, 0, _signed(value >> 32 & 0xFFFFFFFF)))

    def map_fd(self, dst: int, fd: int) -> None:
        """``dst = the map behind the file descriptor``."""
        self._words.append(struct.pack("<BBhi", 0x18, _PSEUDO_MAP_FD << 4 | dst, 0, fd))
        self._words.append(struct.pack("<BBhi", 0, 0, 0, 0))

    def call(self, helper: int) -> None:
        """Call a kernel helper by number: R1-R5 in, R0 out, R1-R5 are gone afterwards."""
        self._emit(0x85, imm=helper)

    def jump(self, target: str) -> None:
        """Go to the label."""
        self._words.append((0x05, 0, 0, 0, target))

    def jump_if(self, dst: int, test: Test, operand: int | Register, target: str) -> None:
        """Go to the label when the unsigned 64-bit comparison holds."""
        if isinstance(operand, Register):
            self._words.append((0x0D | _JUMP[test], dst, operand.number, 0, target))
        else:
            self._words.append((0x05 | _JUMP[test], dst, 0, operand, target))

    def refers_to(self, target: str) -> bool:
        """Whether anything jumps there so far: the verifier refuses instructions that nothing reaches."""
        return any(not isinstance(word, bytes) and word[4] == target for word in self._words)

    def exit(self) -> None:
        """Return R0."""
        self._emit(0x95)

    def assemble(self) -> bytes:
        """The program. Raises ValueError for a label that was never set."""
        out = []
        for at, word in enumerate(self._words):
            if isinstance(word, bytes):
                out.append(word)
                continue
            opcode, dst, src, imm, target = word
            if target not in self._labels:
                raise ValueError(f"label {target!r} is never set")
            out.append(struct.pack("<BBhi", opcode, src << 4 | dst, self._labels[target] - at - 1, imm))
        return b"".join(out)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
