"""Trace buffers made by hand from the layouts, for the parser's tests and for the benchmark."""

import struct
from collections.abc import Iterable
from uuid import UUID

from collector.capture.etw.layout import NETWORK, PROCESS


def record(number: int, payload: bytes, *, provider: UUID = NETWORK, flags: int = 0, version: int = 0) -> bytes:
    """One record: a 64-bit EVENT_HEADER, then the payload; padded to eight bytes, which its size does not count."""
    header = struct.pack(
        "<HHHHIIq16sHBBBBHQQ16s",
        80 + len(payload), 0xC013, flags, 0, 77, 0, 0,
        provider.bytes_le, number, version, 0x10, 4, 0, 10, 0x10, 0, bytes(16),
    )  # fmt: skip
    assert len(header) == 80
    return header + payload + bytes(-len(payload) % 8)


def buffer(records: Iterable[bytes], *, filled: int | None = None) -> bytes:
    """A buffer with its header."""
    body = b"".join(records)
    used = 72 + len(body) if filled is None else filled
    return struct.pack("<48xI20x", used) + body


def v4(pid: int, size: int, destination: str, source: str, dport: int, sport: int, rest: int = 12) -> bytes:
    """An IPv4 payload as recorded: 20 bytes, then what is not relied upon."""
    ends = bytes(map(int, destination.split("."))) + bytes(map(int, source.split(".")))
    return struct.pack("<II", pid, size) + ends + struct.pack(">HH", dport, sport) + bytes(rest)


def v6(pid: int, size: int, destination: bytes, source: bytes, dport: int, sport: int, rest: int = 12) -> bytes:
    """An IPv6 payload: 44 bytes, then what is not relied upon."""
    return struct.pack("<II", pid, size) + destination + source + struct.pack(">HH", dport, sport) + bytes(rest)


def process_start(version: int, pid: int, created: int, image: str, *, sub_authorities: int = 2) -> bytes:
    """A process start record."""
    name = image.encode("utf-16-le") + b"\0\0"
    if version < 3:
        payload = struct.pack("<IQII", pid, created, 1, 1) + (struct.pack("<I", 0) if version else b"") + name
    else:
        payload = struct.pack("<IQQIQIIII", pid, 5, created, 1, 6, 1, 0, 1, 0)
        payload += bytes([1, sub_authorities]) + bytes(6) + bytes(4 * sub_authorities) + name
    return record(1, payload, provider=PROCESS, version=version)
