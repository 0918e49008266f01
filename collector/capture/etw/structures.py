"""The system's C structures for trace sessions, for x64 and ARM64 (the layouts are the same).

Handles are 64-bit unsigned integers, never C longs. Sizes and offsets are asserted in the tests, on every system.
Source: learn.microsoft.com, evntrace.h, evntprov.h, evntcons.h, wmistr.h.
"""

import ctypes
from ctypes import c_char, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, Final
from uuid import UUID

NAME_ROOM: Final = 512
"""Bytes behind the properties for the session's name, which the system copies there."""


class WnodeHeader(ctypes.Structure):
    """WNODE_HEADER."""

    _fields_ = (
        ("BufferSize", c_uint32),
        ("ProviderId", c_uint32),
        ("HistoricalContext", c_uint64),
        ("TimeStamp", c_int64),
        ("Guid", c_uint8 * 16),
        ("ClientContext", c_uint32),
        ("Flags", c_uint32),
    )


class TraceProperties(ctypes.Structure):
    """EVENT_TRACE_PROPERTIES."""

    _fields_ = (
        ("Wnode", WnodeHeader),
        ("BufferSize", c_uint32),
        ("MinimumBuffers", c_uint32),
        ("MaximumBuffers", c_uint32),
        ("MaximumFileSize", c_uint32),
        ("LogFileMode", c_uint32),
        ("FlushTimer", c_uint32),
        ("EnableFlags", c_uint32),
        ("AgeLimit", c_int32),
        ("NumberOfBuffers", c_uint32),
        ("FreeBuffers", c_uint32),
        ("EventsLost", c_uint32),
        ("BuffersWritten", c_uint32),
        ("LogBuffersLost", c_uint32),
        ("RealTimeBuffersLost", c_uint32),
        ("LoggerThreadId", c_void_p),
        ("LogFileNameOffset", c_uint32),
        ("LoggerNameOffset", c_uint32),
    )


class NamedProperties(ctypes.Structure):
    """The properties and the room for the name behind them."""

    _fields_ = (("properties", TraceProperties), ("name", c_char * NAME_ROOM))


class EventTraceLogfile(ctypes.Structure):
    """EVENT_TRACE_LOGFILEW; what is not used here is room."""

    _fields_ = (
        ("LogFileName", c_void_p),
        ("LoggerName", c_void_p),
        ("CurrentTime", c_int64),
        ("BuffersRead", c_uint32),
        ("ProcessTraceMode", c_uint32),
        ("CurrentEvent", c_uint8 * 88),
        ("LogfileHeader", c_uint8 * 280),
        ("BufferCallback", c_void_p),
        ("BufferSize", c_uint32),
        ("Filled", c_uint32),
        ("EventsLost", c_uint32),
        ("EventRecordCallback", c_void_p),
        ("IsKernelTrace", c_uint32),
        ("Context", c_void_p),
    )


class OpenTraceOptions(ctypes.Structure):
    """ETW_OPEN_TRACE_OPTIONS."""

    _fields_ = (
        ("ProcessTraceModes", c_uint32),
        ("EventCallback", c_void_p),
        ("EventCallbackContext", c_void_p),
        ("BufferCallback", c_void_p),
        ("BufferCallbackContext", c_void_p),
    )


class EventFilterDescriptor(ctypes.Structure):
    """EVENT_FILTER_DESCRIPTOR."""

    _fields_ = (("Ptr", c_uint64), ("Size", c_uint32), ("Type", c_uint32))


class EnableTraceParameters(ctypes.Structure):
    """ENABLE_TRACE_PARAMETERS, version 2."""

    _fields_ = (
        ("Version", c_uint32),
        ("EnableProperty", c_uint32),
        ("ControlFlags", c_uint32),
        ("SourceId", c_uint8 * 16),
        ("EnableFilterDesc", c_void_p),
        ("FilterDescCount", c_uint32),
    )


def properties() -> NamedProperties:
    """A session's properties as they are sent: small flush delay, 32 MB of buffers at most.

    The system overwrites them in every call, so each call gets fresh ones. Memory: 256 KB buffers, 64 to 128 of them,
    which is two and a half seconds at 50,000 events a second.
    """
    made = NamedProperties()
    found = made.properties
    found.Wnode.BufferSize = ctypes.sizeof(made)
    found.Wnode.ClientContext = 1  # time stamps of the performance counter
    found.Wnode.Flags = 0x20000  # WNODE_FLAG_TRACED_GUID
    found.BufferSize = 256
    found.MinimumBuffers, found.MaximumBuffers = 64, 128
    # Real time, and independent of other sessions: else a failing one on the same provider takes our events with it.
    found.LogFileMode = 0x100 | 0x08000000
    found.FlushTimer = 1
    found.LoggerNameOffset = ctypes.sizeof(TraceProperties)
    return made


def guid(value: UUID) -> Any:
    """The sixteen bytes as the system wants them."""
    return (c_uint8 * 16).from_buffer_copy(value.bytes_le)


def event_filter(numbers: tuple[int, ...]) -> Any:
    """EVENT_FILTER_EVENT_ID: let these events in."""

    class Filter(ctypes.Structure):
        _fields_ = (
            ("FilterIn", c_uint8),
            ("Reserved", c_uint8),
            ("Count", c_uint16),
            ("Events", c_uint16 * len(numbers)),
        )

    return Filter(1, 0, len(numbers), (c_uint16 * len(numbers))(*numbers))
