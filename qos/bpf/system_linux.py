"""The kernel's ``bpf(2)`` call through ctypes: tables, programs, links to a cgroup, and the ring that announces.

Nothing here is pinned and every program hangs on a BPF link: when the process dies, however it dies, the kernel takes
links, programs and tables away. So there are no leftovers to clean at start. Sources: bpf(2), ``linux/bpf.h`` (layout
of ``union bpf_attr``), kernel Documentation/bpf/ringbuf.rst.
"""

import ctypes
import errno
import mmap
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator
from typing import Final

assert sys.platform == "linux"

HASH: Final = 1
ARRAY: Final = 2
LRU_HASH: Final = 9
RINGBUF: Final = 27
SCHED_CLS: Final = 3
CGROUP_SKB: Final = 8
CGROUP_SOCK: Final = 9
INGRESS: Final = 0
EGRESS: Final = 1
SOCK_CREATE: Final = 2
SOCK_RELEASE: Final = 34
TCX_INGRESS: Final = 46
TCX_EGRESS: Final = 47
ON_DEMAND: Final = 1
"""Map flag: memory for an entry is taken when it is made (BPF_F_NO_PREALLOC)."""

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _PROG_LOAD = 0, 1, 2, 3, 5
_LOOKUP_BATCH, _DELETE_BATCH, _LINK_CREATE = 24, 27, 28
_PROG_QUERY: Final = 16
_NUMBER: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "armv7l": 386, "ppc64le": 361, "s390x": 351}
_ATTR_BYTES: Final = 128
_LICENSE: Final = b"Dual MIT/GPL"
_LOG_BYTES: Final = 1 << 18
_BATCH: Final = 4096
_BUSY, _DISCARDED = 1 << 31, 1 << 30

_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """One call: its result and the attributes as the kernel left them. Raises OSError."""
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"the bpf call's number on {platform.machine()} is not known")
    buffer = ctypes.create_string_buffer(attributes, _ATTR_BYTES)
    result: int = _libc.syscall(number, command, buffer, _ATTR_BYTES)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, buffer.raw


class Table:
    """A BPF map with fixed-size keys and values. Close it to let the kernel have it back."""

    def __init__(self, name: str, kind: int, key_bytes: int, value_bytes: int, size: int, *, flags: int = 0) -> None:
        self.key_bytes, self.value_bytes = key_bytes, value_bytes
        attributes = struct.pack("<5I8x16s", kind, key_bytes, value_bytes, size, flags, name.encode())
        self.fd = bpf(_MAP_CREATE, attributes)[0]
        self._value = ctypes.create_string_buffer(max(value_bytes, 1))

    def get(self, key: bytes) -> bytes | None:
        """The value at ``key``."""
        try:
            self._element(_LOOKUP, key, self._value)
        except FileNotFoundError:
            return None
        return self._value.raw[: self.value_bytes]

    def put(self, key: bytes, value: bytes) -> None:
        """Store ``value`` at ``key``. Raises OSError when the table is full."""
        self._element(_UPDATE, key, ctypes.create_string_buffer(value, self.value_bytes))

    def delete(self, key: bytes) -> None:
        """Take ``key`` out, if it is there."""
        try:
            self._element(_DELETE, key, None)
        except FileNotFoundError:
            return

    def _element(self, command: int, key: bytes, value: "ctypes.Array[ctypes.c_char] | None") -> None:
        held = ctypes.create_string_buffer(key, self.key_bytes)
        at = ctypes.addressof(value) if value is not None else 0
        bpf(command, struct.pack("<I4xQQQ", self.fd, ctypes.addressof(held), at, 0))

    def chunks(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Everything, as (keys, values, count) runs of packed bytes: one call for up to 4096 entries.

        Entries that exist during the whole walk are seen exactly once: a hash is walked bucket by bucket.
        """
        keys = ctypes.create_string_buffer(_BATCH * self.key_bytes)
        values = ctypes.create_string_buffer(_BATCH * self.value_bytes)
        here, there = ctypes.create_string_buffer(16), ctypes.create_string_buffer(16)
        start = 0
        while True:
            pointers = (start, *(ctypes.addressof(buffer) for buffer in (there, keys, values)))
            attributes = struct.pack("<QQQQIIQQ", *pointers, _BATCH, self.fd, 0, 0)
            code, count = _batch(_LOOKUP_BATCH, attributes)
            if count:
                yield (
                    ctypes.string_at(keys, count * self.key_bytes),
                    ctypes.string_at(values, count * self.value_bytes),
                    count,
                )
            if code == errno.ENOENT:
                return
            here.raw = there.raw
            start = ctypes.addressof(here)

    def delete_many(self, keys: list[bytes]) -> None:
        """Take all these keys out; those that are not there do not matter."""
        while keys:
            held = ctypes.create_string_buffer(b"".join(keys), len(keys) * self.key_bytes)
            attributes = struct.pack("<QQQQIIQQ", 0, 0, ctypes.addressof(held), 0, len(keys), self.fd, 0, 0)
            code, done = _batch(_DELETE_BATCH, attributes)
            keys = keys[done + 1 :] if code else []

    def close(self) -> None:
        """Give the table back. Safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _batch(command: int, attributes: bytes) -> tuple[int, int]:
    """0 or ENOENT (the end, or a key that is not there) and how many entries were done. Raises OSError."""
    held = ctypes.create_string_buffer(attributes, _ATTR_BYTES)
    result: int = _libc.syscall(_NUMBER[platform.machine()], command, held, _ATTR_BYTES)
    code = ctypes.get_errno() if result < 0 else 0
    if code not in (0, errno.ENOENT):
        raise OSError(code, os.strerror(code))
    return code, struct.unpack_from("<I", held.raw, 32)[0]


def load_program(kind: int, attach: int, instructions: bytes, name: str) -> int:
    """The program's file descriptor. Raises OSError; when the verifier refused, its last words are in the message."""
    text = ctypes.create_string_buffer(instructions, len(instructions))
    license_ = ctypes.create_string_buffer(_LICENSE)
    log = ctypes.create_string_buffer(_LOG_BYTES)

    def attributes(level: int) -> bytes:
        return struct.pack(
            "<IIQQIIQII16sII",
            kind,
            len(instructions) // 8,
            ctypes.addressof(text),
            ctypes.addressof(license_),
            level,
            _LOG_BYTES if level else 0,
            ctypes.addressof(log) if level else 0,
            0,
            0,
            name.encode(),
            0,
            attach,
        )

    try:
        return bpf(_PROG_LOAD, attributes(0))[0]
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):
            raise
        first = error
    try:  # once more, for the verifier's words
        return bpf(_PROG_LOAD, attributes(1))[0]
    except OSError:
        words = log.value.decode("utf-8", "replace").strip().splitlines()
        raise OSError(first.errno, f"{first.strerror}: program {name}: {' / '.join(words[-4:])}") from None


def link_to_cgroup(program: int, cgroup: int, attach: int) -> int:
    """Attach beside whatever else is attached there. The link's file descriptor: closing it detaches."""
    return bpf(_LINK_CREATE, struct.pack("<IIII", program, cgroup, attach, 0))[0]


def link_to_interface(program: int, index: int, attach: int) -> int:
    """Attach to an interface's tcx hook, after what is attached there (Linux 6.6). The link's file descriptor: closing
    it detaches. Raises OSError: ENODEV without that interface, EINVAL before tcx."""
    return bpf(_LINK_CREATE, struct.pack("<IIII", program, index, attach, 0))[0]


def tcx_there() -> bool:
    """Whether this kernel has tcx hooks (Linux 6.6, or taken over into an older one): it is asked what hangs on the
    loopback's. True also where it may not be asked."""
    try:
        bpf(_PROG_QUERY, struct.pack("<IIIIQI", 1, TCX_INGRESS, 0, 0, 0, 0))
    except OSError as error:
        return error.errno not in (errno.EINVAL, errno.ENOSYS)
    return True


def allow_locked_memory() -> None:
    """Kernels before 5.11 charge tables to the locked-memory limit, whose default is too small for any of ours."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return


class Ring:
    """The reading end of a BPF ring buffer; ``fd`` becomes readable when something was written."""

    def __init__(self, size: int, name: str) -> None:
        attributes = struct.pack("<5I8x16s", RINGBUF, 0, 0, size, 0, name.encode())
        self.fd = bpf(_MAP_CREATE, attributes)[0]
        page = mmap.PAGESIZE
        self._size = size
        self._consumer = mmap.mmap(self.fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        # One page of producer position, then the data, mapped twice in a row so that no record is ever cut.
        self._data = mmap.mmap(self.fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)

    def read(self) -> list[bytes]:
        """The records written since the last read. Never blocks."""
        records = []
        (at,) = struct.unpack_from("<Q", self._consumer, 0)
        (end,) = struct.unpack_from("<Q", self._data, 0)
        while at < end:
            offset = mmap.PAGESIZE + at % self._size
            (header,) = struct.unpack_from("<I", self._data, offset)
            if header & _BUSY:
                break
            length = header & ~(_BUSY | _DISCARDED)
            if not header & _DISCARDED:
                records.append(self._data[offset + 8 : offset + 8 + length])
            at += (length + 8 + 7) // 8 * 8
            struct.pack_into("<Q", self._consumer, 0, at)
        return records

    def close(self) -> None:
        """Unmap and give it back. Safe to call twice."""
        if self.fd >= 0:
            self._consumer.close()
            self._data.close()
            os.close(self.fd)
            self.fd = -1
