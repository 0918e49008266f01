"""The WinDivert DLL that pydivert carries, with prototypes of our own; nothing else here touches ctypes' Windows half.

The handles take a ``Library``: the DLL on Windows, in tests one that satisfies the same calls without a driver. What
every call returned is returned as values; errors are numbers, and ``describe`` has the words. Importing this loads
nothing. Source: ``include/windivert.h`` of WinDivert 2.2.
"""

import ctypes
import errno
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int16, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any, Final, Protocol

from qos.packets.divert.address import Ticks
from qos.packets.divert.errors import PyDivertMissing
from qos.system.elevation import elevated, how_to

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
LAYERS: Final = {"network": 0, "flow": 2, "socket": 3, "reflect": 4}
_INVALID: Final = (None, 2**64 - 1, 2**32 - 1)
_WORDS: Final = {
    2: "WinDivert64.sys is not beside pydivert's DLL: reinstall pydivert, or an antivirus removed it",
    5: "not an administrator",
    577: "Windows refuses the driver's signature: Windows 10 or later is needed",
    1058: "the WinDivert service is disabled or being removed: restart Windows",
    1060: "the WinDivert driver is not installed",
    1275: "the WinDivert driver is blocked by security software",
}


class Library(Protocol):
    """What the handles ask of WinDivert."""

    def compile(self, text: str, layer: str) -> None:
        """Check a filter. Raises ValueError with the compiler's words and the place."""

    def open(self, text: str, layer: str, priority: int, flags: int) -> int | None:
        """A handle; None when ``last_error`` says why not."""

    def recv(self, handle: int, data: Any, room: int, addresses: Any, size: int) -> tuple[int, int] | None:
        """Wait for packets: bytes written to ``data`` and to ``addresses``; None when ``last_error`` says why not."""

    def send(self, handle: int, data: bytes, addresses: bytes) -> bool:
        """Inject packets that lie back to back; False when ``last_error`` says why not."""

    def set_param(self, handle: int, param: int, value: int) -> bool:
        """Set a queue parameter."""

    def shutdown(self, handle: int, how: int) -> None:
        """1: receive nothing more."""

    def close(self, handle: int) -> None:
        """Close the handle."""

    def last_error(self) -> int:
        """The Windows error of this thread's last failed call."""

    def describe(self, code: int) -> str:
        """A Windows error in words."""

    def ticks(self) -> Ticks:
        """How the driver's time stamps read now."""


class WinDivert:
    """The DLL. Raises PyDivertMissing when it is not there or does not load."""

    def __init__(self) -> None:
        try:
            from pydivert.windivert_dll import DLL_PATH
        except ImportError as error:
            raise PyDivertMissing(errno.ENOENT, f"pydivert is not installed ({error}): run `uv sync`") from None
        try:
            dll: Any = _native.WinDLL(DLL_PATH, use_last_error=True)
        except OSError as error:
            raise PyDivertMissing(errno.ENOENT, f"{DLL_PATH} does not load ({error}): reinstall pydivert") from None

        def function(name: str, result: Any, *arguments: Any) -> Any:
            made = dll[name]
            made.argtypes, made.restype = arguments, result
            return made

        handle, length = c_void_p, POINTER(c_uint)
        exchange = (handle, c_void_p, c_uint, length, c_uint64, c_void_p)
        self._open = function("WinDivertOpen", c_void_p, c_char_p, c_int, c_int16, c_uint64)
        self._recv = function("WinDivertRecvEx", c_int, *exchange, length, c_void_p)
        self._send = function("WinDivertSendEx", c_int, *exchange, c_uint, c_void_p)
        self._shutdown = function("WinDivertShutdown", c_int, handle, c_int)
        self._close = function("WinDivertClose", c_int, handle)
        self._set_param = function("WinDivertSetParam", c_int, handle, c_int, c_uint64)
        self._compile = function(
            "WinDivertHelperCompileFilter", c_int, c_char_p, c_int, c_void_p, c_uint, POINTER(c_char_p), length
        )
        frequency = ctypes.c_int64()
        _native.windll.kernel32.QueryPerformanceFrequency(byref(frequency))
        self._ticks_per_second = frequency.value or 10_000_000

    def compile(self, text: str, layer: str) -> None:
        """See ``Library``."""
        message, position = c_char_p(), c_uint()
        if not self._compile(text.encode(), LAYERS[layer], None, 0, byref(message), byref(position)):
            words = (message.value or b"not a filter").decode(errors="replace")
            raise ValueError(f"filter: {words} at character {position.value}: {text[position.value :][:40]!r}")

    def open(self, text: str, layer: str, priority: int, flags: int) -> int | None:
        """See ``Library``."""
        handle = self._open(text.encode(), LAYERS[layer], priority, flags)
        return None if handle in _INVALID else int(handle)

    def recv(self, handle: int, data: Any, room: int, addresses: Any, size: int) -> tuple[int, int] | None:
        """See ``Library``. No OVERLAPPED: the DLL waits inside, nothing is ever cancelled, and no packet falls out."""
        length, used = c_uint(), c_uint(size)
        if not self._recv(handle, data, room, byref(length), 0, addresses, byref(used), None):
            return None
        return length.value, used.value

    def send(self, handle: int, data: bytes, addresses: bytes) -> bool:
        """See ``Library``."""
        return bool(self._send(handle, data, len(data), None, 0, addresses, len(addresses), None))

    def set_param(self, handle: int, param: int, value: int) -> bool:
        """See ``Library``."""
        return bool(self._set_param(handle, param, value))

    def shutdown(self, handle: int, how: int) -> None:
        """See ``Library``."""
        self._shutdown(handle, how)

    def close(self, handle: int) -> None:
        """See ``Library``."""
        self._close(handle)

    def last_error(self) -> int:
        """See ``Library``."""
        return int(_native.get_last_error())

    def describe(self, code: int) -> str:
        """See ``Library``."""
        return _WORDS.get(code) or str(_native.FormatError(code))

    def ticks(self) -> Ticks:
        """See ``Library``. The driver and ``qos.system.clock`` read the same performance counter: no offset."""
        return Ticks(self._ticks_per_second)


@cache
def library() -> Library:
    """The DLL, loaded once. Raises PyDivertMissing."""
    return WinDivert()


def available() -> str | None:
    """None when handles can be opened here, else the reason and what to do, in one line."""
    if sys.platform != "win32":
        return f"WinDivert is for Windows, this is {sys.platform}"
    if ctypes.sizeof(c_void_p) != 8:
        return "a 64-bit Python is needed: the driver is 64-bit"
    if not elevated():
        return f"not an administrator: {how_to()}"
    try:
        library()
    except PyDivertMissing as error:
        return error.strerror
    return None


def check_filter(text: str, layer: str = "network") -> None:
    """Compile ``text`` for ``layer`` (network, flow, socket). Raises ValueError with the compiler's words and place."""
    library().compile(text, layer)
