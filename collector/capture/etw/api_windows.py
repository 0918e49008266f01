"""The calls into sechost.dll that a trace session needs. Thin: every decision is in ``session``.

Sources: learn.microsoft.com, evntrace.h. ``OpenTraceFromRealTimeLogger`` is exported by sechost.dll, not advapi32.dll,
and only by newer systems; with it a callback gets whole buffers and the system decodes nothing.
"""

import contextlib
import ctypes
import logging
import sys
from collections.abc import Sequence
from ctypes import POINTER, byref, c_uint8, c_uint32, c_uint64, c_void_p, c_wchar_p
from typing import Any, Final
from uuid import UUID

from collector.capture import CaptureUnavailable
from collector.capture.etw.callbacks import Feed, buffer_callback, event_callback
from collector.capture.etw.layout import LEVEL
from collector.capture.etw.session import Lost
from collector.capture.etw.structures import (
    EnableTraceParameters,
    EventFilterDescriptor,
    EventTraceLogfile,
    NamedProperties,
    OpenTraceOptions,
    event_filter,
    guid,
    properties,
)

_log: Final = logging.getLogger(__name__)
_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
_QUERY, _STOP, _FLUSH = 0, 1, 3
_DISABLE, _ENABLE = 0, 1
_REAL_TIME, _EVENT_RECORD, _RAW_TIMESTAMP = 0x100, 0x10000000, 0x1000
_INVALID: Final = 2**64 - 1
_FILTER_EVENT_ID: Final = 0x80000200


class Sechost:
    """The real calls. Raises CaptureUnavailable when this Python or this system cannot make them."""

    def __init__(self) -> None:
        if sys.maxsize <= 2**32:
            raise CaptureUnavailable("ETW: a 64-bit Python is needed")
        try:
            dll: Any = _native.WinDLL("sechost", use_last_error=True)
        except OSError as error:
            raise CaptureUnavailable(f"ETW: sechost.dll does not load ({error})") from None

        def function(name: str, result: Any, *arguments: Any) -> Any:
            try:
                made = getattr(dll, name)
            except AttributeError:
                raise CaptureUnavailable(f"ETW: this Windows has no {name}") from None
            made.argtypes, made.restype = arguments, result
            return made

        room = POINTER(NamedProperties)
        self._start = function("StartTraceW", c_uint32, POINTER(c_uint64), c_wchar_p, room)
        self._control = function("ControlTraceW", c_uint32, c_uint64, c_wchar_p, room, c_uint32)
        self._enable = function(
            "EnableTraceEx2", c_uint32, c_uint64, c_void_p, c_uint32, c_uint8, c_uint64, c_uint64, c_uint32, c_void_p
        )
        self._open = function("OpenTraceW", c_uint64, POINTER(EventTraceLogfile))
        self._process = function("ProcessTrace", c_uint32, POINTER(c_uint64), c_uint32, c_void_p, c_void_p)
        self._close = function("CloseTrace", c_uint32, c_uint64)
        self._open_raw: Any = None
        with contextlib.suppress(CaptureUnavailable):
            self._open_raw = function(
                "OpenTraceFromRealTimeLogger", c_uint64, c_wchar_p, POINTER(OpenTraceOptions), c_void_p
            )
        self._kept: list[Any] = []
        """What the system holds pointers to while a session runs."""
        self._told = False

    def start(self, name: str) -> tuple[int, int]:
        """See ``session.Api``."""
        handle = c_uint64()
        error = self._start(byref(handle), name, byref(properties()))
        return int(error), int(handle.value)

    def stop(self, name: str) -> int:
        """See ``session.Api``."""
        return int(self._control(0, name, byref(properties()), _STOP))

    def flush(self, name: str) -> int:
        """See ``session.Api``."""
        return int(self._control(0, name, byref(properties()), _FLUSH))

    def lost(self, name: str) -> tuple[int, Lost]:
        """See ``session.Api``."""
        answer = properties()
        error = self._control(0, name, byref(answer), _QUERY)
        return int(error), Lost(answer.properties.EventsLost, answer.properties.RealTimeBuffersLost)

    def enable(self, session: int, provider: UUID, keywords: int, numbers: Sequence[int]) -> int:
        """See ``session.Api``."""
        parameters = EnableTraceParameters(Version=2)
        if numbers:
            wanted = event_filter(tuple(numbers))
            described = EventFilterDescriptor(ctypes.addressof(wanted), ctypes.sizeof(wanted), _FILTER_EVENT_ID)
            parameters.EnableFilterDesc, parameters.FilterDescCount = ctypes.addressof(described), 1
        return int(self._enable(session, byref(guid(provider)), _ENABLE, LEVEL, keywords, 0, 0, byref(parameters)))

    def disable(self, session: int, provider: UUID) -> int:
        """See ``session.Api``."""
        return int(self._enable(session, byref(guid(provider)), _DISABLE, 0, 0, 0, 0, None))

    def can_raw(self) -> bool:
        """See ``session.Api``."""
        return self._open_raw is not None

    def open(self, name: str, feed: Feed, raw: bool) -> tuple[int, int]:
        """See ``session.Api``."""
        if raw:
            kind = _native.WINFUNCTYPE(ctypes.c_int, c_void_p, c_uint32, c_void_p, c_void_p)
            callback = kind(buffer_callback(feed, self._trouble))
            options = OpenTraceOptions(BufferCallback=ctypes.cast(callback, c_void_p).value)
            header = (c_uint8 * 280)()
            self._kept = [callback, options, header]
            trace = self._open_raw(name, byref(options), header)
        else:
            kind = _native.WINFUNCTYPE(None, c_void_p)
            callback = kind(event_callback(feed, self._trouble))
            text = ctypes.create_unicode_buffer(name)
            file = EventTraceLogfile()
            file.LoggerName = ctypes.addressof(text)
            file.ProcessTraceMode = _REAL_TIME | _EVENT_RECORD | _RAW_TIMESTAMP
            file.EventRecordCallback = ctypes.cast(callback, c_void_p).value
            self._kept = [callback, text, file]
            trace = self._open(byref(file))
        if trace == _INVALID:
            return int(_native.get_last_error()) or 1, 0
        return 0, int(trace)

    def process(self, trace: int) -> int:
        """See ``session.Api``. The interpreter is free meanwhile; the callbacks take it."""
        return int(self._process(byref(c_uint64(trace)), 1, None, None))

    def close(self, trace: int) -> int:
        """See ``session.Api``."""
        return int(self._close(trace))

    def _trouble(self, error: BaseException) -> None:
        if not self._told:
            self._told = True
            _log.error("ETW: reading an event failed", exc_info=error)
