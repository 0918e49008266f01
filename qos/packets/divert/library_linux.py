"""The C library that pydivert carries for Linux (ebpfdivert), with prototypes of our own: addresses are plain bytes.

The same functions as ``library_windows``. A call that may wait releases the interpreter lock, one that only polls or
sends keeps it, because giving it up for two microseconds can cost a whole switch interval. Nothing is loaded by
importing this.
"""

import ctypes
import errno
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int16, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final

from qos.packets.divert.errors import PyDivertMissing
from qos.system.elevation import elevated, how_to

LAYERS: Final = {"network": 0, "flow": 2, "socket": 3}


class OpenOptions(ctypes.Structure):
    _fields_ = (("size", c_size_t), ("interfaces", POINTER(c_char_p)), ("ring_bytes", c_uint32))


class Library:
    """The C functions with prototypes of our own: addresses are plain bytes here."""

    def __init__(self) -> None:
        try:
            from pydivert.bpf import libebpfdivert
        except ImportError as error:
            raise PyDivertMissing(errno.ENOENT, f"pydivert is not installed ({error}): run `uv sync`") from None
        if libebpfdivert is None:
            raise PyDivertMissing(errno.ENOENT, "pydivert's libebpfdivert.so does not load here: reinstall pydivert")
        waiting: Any = libebpfdivert
        polling: Any = ctypes.PyDLL(libebpfdivert._name)  # the same library; its calls keep the interpreter lock

        def function(source: Any, name: str, result: Any, *arguments: Any) -> Any:
            made = source[name]  # a fresh function object: pydivert's own prototypes stay as they are
            made.argtypes, made.restype = arguments, result
            return made

        handle, length = c_void_p, POINTER(c_uint32)
        recv = (handle, c_void_p, c_uint32, length, c_void_p, c_int)
        many = (handle, c_void_p, c_uint32, length, c_void_p, length, c_int)
        self.open = function(
            waiting, "ebpfdivert_open_ex", c_int, c_char_p, c_int, c_int16, c_uint64, c_void_p, POINTER(c_void_p)
        )
        self.recv = function(waiting, "ebpfdivert_recv", c_int, *recv)
        self.poll = function(polling, "ebpfdivert_recv", c_int, *recv)
        self.recv_many = function(waiting, "ebpfdivert_recv_ex", c_int, *many)
        self.send = function(polling, "ebpfdivert_send", c_int, handle, c_char_p, c_uint32, length, c_char_p)
        self.shutdown = function(waiting, "ebpfdivert_shutdown", c_int, handle, c_int)
        self.close = function(waiting, "ebpfdivert_close", c_int, handle)
        self.set_param = function(waiting, "ebpfdivert_set_param", c_int, handle, c_int, c_uint64)
        self.stats = function(waiting, "ebpfdivert_get_handle_stats", c_int, handle, POINTER(c_uint64), c_int)
        self.unregister = function(waiting, "ebpfdivert_unregister", c_int)
        self.compile = function(
            waiting, "ebpfdivert_helper_compile_filter", c_int, c_char_p, c_int, POINTER(c_char_p), length
        )


@cache
def library() -> Library:
    return Library()


def available() -> str | None:
    """None when handles can be opened here, else the reason and what to do, in one line."""
    if not sys.platform.startswith("linux"):
        return f"packets can be diverted on Windows and Linux, not on {sys.platform}"
    if not elevated():
        return f"not root: {how_to()}"
    try:
        library()
    except PyDivertMissing as error:
        return error.strerror
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel carries no BTF (/sys/kernel/btf/vmlinux): a kernel of 5.10 or later built with it is needed"
    if " - cgroup2 " not in Path("/proc/self/mountinfo").read_text(encoding="utf-8"):
        return "no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified"
    return None


def check_filter(text: str, layer: str = "network") -> None:
    """Compile ``text`` for ``layer`` (network, flow, socket). Raises ValueError with the compiler's words and place."""
    message, position = c_char_p(), c_uint32()
    if library().compile(text.encode(), LAYERS[layer], byref(message), byref(position)) != 0:
        words = (message.value or b"not a filter").decode(errors="replace")
        raise ValueError(f"filter: {words} at character {position.value}: {text[position.value :][:40]!r}")


def unregister() -> None:
    """Detach what processes that died with open handles left behind. Handles of living processes stay."""
    library().unregister()
