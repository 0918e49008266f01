"""Sizes and offsets of the system's structures on x64 and ARM64: a wrong one overwrites memory."""

import ctypes
from uuid import UUID

import pytest

from collector.capture.etw import structures as s
from collector.capture.etw.counters_windows import IpStatistics, NetworkCounters, UdpStatistics
from collector.capture.etw.layout import NETWORK

LAYOUTS: dict[type[ctypes.Structure], tuple[int, dict[str, int]]] = {
    s.WnodeHeader: (48, {"BufferSize": 0, "HistoricalContext": 8, "Guid": 24, "ClientContext": 40, "Flags": 44}),
    s.TraceProperties: (
        120,
        {
            "BufferSize": 48, "MinimumBuffers": 52, "MaximumBuffers": 56, "MaximumFileSize": 60, "LogFileMode": 64,
            "FlushTimer": 68, "EnableFlags": 72, "NumberOfBuffers": 80, "FreeBuffers": 84, "EventsLost": 88,
            "BuffersWritten": 92, "LogBuffersLost": 96, "RealTimeBuffersLost": 100, "LoggerThreadId": 104,
            "LogFileNameOffset": 112, "LoggerNameOffset": 116,
        },
    ),
    s.EventTraceLogfile: (
        448,
        {"LoggerName": 8, "ProcessTraceMode": 28, "LogfileHeader": 120, "BufferCallback": 400, "EventsLost": 416,
         "EventRecordCallback": 424, "Context": 440},
    ),
    s.OpenTraceOptions: (
        40,
        {"ProcessTraceModes": 0, "EventCallback": 8, "EventCallbackContext": 16, "BufferCallback": 24,
         "BufferCallbackContext": 32},
    ),
    s.EventFilterDescriptor: (16, {"Ptr": 0, "Size": 8, "Type": 12}),
    s.EnableTraceParameters: (48, {"Version": 0, "EnableFilterDesc": 32, "FilterDescCount": 40}),
    UdpStatistics: (32, {"InDatagrams": 0, "OutDatagrams": 16}),
    IpStatistics: (92, {"ForwDatagrams": 20}),
    NetworkCounters: (16, {"BytesIn": 0, "BytesOut": 8}),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYOUTS, ids=lambda kind: kind.__name__)
def test_the_structure_lies_in_memory_as_the_system_has_it(kind: type[ctypes.Structure]) -> None:
    size, offsets = LAYOUTS[kind]
    assert ctypes.sizeof(kind) == size
    assert {name: getattr(kind, name).offset for name in offsets} == offsets


def test_the_properties_carry_room_for_the_name_and_are_independent_of_other_sessions() -> None:
    made = s.properties()
    found = made.properties
    assert found.Wnode.BufferSize == 120 + s.NAME_ROOM == ctypes.sizeof(made)
    assert (found.LoggerNameOffset, found.Wnode.Flags, found.Wnode.ClientContext) == (120, 0x20000, 1)
    assert found.LogFileMode == 0x08000100
    assert found.MinimumBuffers <= found.MaximumBuffers


def test_a_filter_lists_the_events_behind_four_bytes() -> None:
    made = bytes(s.event_filter((10, 11, 300)))
    assert made == bytes([1, 0, 3, 0, 10, 0, 11, 0, 44, 1])


def test_a_provider_is_named_by_its_bytes_little_endian() -> None:
    assert bytes(s.guid(NETWORK)) == NETWORK.bytes_le
    assert UUID(bytes_le=bytes(s.guid(NETWORK))) == NETWORK
