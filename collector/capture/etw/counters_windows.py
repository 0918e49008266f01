"""Numbers that Windows keeps apart from the events, for the self-check: datagrams, forwarded packets, bytes by process.

Sources: learn.microsoft.com, iphlpapi.h (GetUdpStatisticsEx2 from Windows 10 1709, GetIpStatisticsEx); class 114 of
NtQueryInformationProcess, ProcessNetworkIoCounters, exists from Windows 11 24H2 and is not documented by Microsoft
(System Informer's ``phnt`` describes it): it is asked once for this process, and any error means that it is absent.
"""

import ctypes
import os
from collections.abc import Iterable
from ctypes import byref, c_int32, c_uint32, c_uint64, c_void_p
from typing import Any, Final

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
_FAMILIES: Final = (2, 23)
_LIMITED: Final = 0x1000
_NETWORK_COUNTERS: Final = 114


class UdpStatistics(ctypes.Structure):
    """MIB_UDPSTATS2."""

    _fields_ = (
        ("InDatagrams", c_uint64),
        ("NoPorts", c_uint32),
        ("InErrors", c_uint32),
        ("OutDatagrams", c_uint64),
        ("NumAddrs", c_uint32),
    )


class IpStatistics(ctypes.Structure):
    """MIB_IPSTATS_LH, as far as it is read."""

    _fields_ = (("Before", c_uint32 * 5), ("ForwDatagrams", c_uint32), ("After", c_uint32 * 17))


class NetworkCounters(ctypes.Structure):
    """PROCESS_NETWORK_COUNTERS: cumulative payload bytes."""

    _fields_ = (("BytesIn", c_uint64), ("BytesOut", c_uint64))


class SystemCounters:
    """Reads them. What a system does not have reads as None or nothing."""

    def __init__(self) -> None:
        self._iphlpapi = _native.WinDLL("iphlpapi")
        self._ntdll = _native.WinDLL("ntdll")
        self._kernel32 = _native.WinDLL("kernel32", use_last_error=True)
        self._kernel32.OpenProcess.restype = c_void_p
        self._kernel32.OpenProcess.argtypes = (c_uint32, c_int32, c_uint32)
        self._kernel32.CloseHandle.argtypes = (c_void_p,)
        self._ntdll.NtQueryInformationProcess.argtypes = (c_void_p, c_uint32, c_void_p, c_uint32, c_void_p)
        self._ntdll.NtQueryInformationProcess.restype = c_int32
        self.by_process = self.process(os.getpid()) is not None
        """Whether the system counts bytes by process."""

    def datagrams(self) -> int | None:
        """UDP datagrams received and sent since the start of the system, loopback included."""
        total = 0
        for family in _FAMILIES:
            answer = UdpStatistics()
            try:
                error = self._iphlpapi.GetUdpStatisticsEx2(byref(answer), family)
            except AttributeError:
                return None
            if error and family == _FAMILIES[0]:
                return None
            total += 0 if error else answer.InDatagrams + answer.OutDatagrams
        return total

    def forwarded(self) -> int:
        """Packets passed on for others."""
        total = 0
        for family in _FAMILIES:
            answer = IpStatistics()
            if not self._iphlpapi.GetIpStatisticsEx(byref(answer), family):
                total += answer.ForwDatagrams
        return total

    def process(self, pid: int) -> tuple[int, int] | None:
        """Payload bytes received and sent by a process since its start; None when nobody says."""
        handle = self._kernel32.OpenProcess(_LIMITED, 0, pid)
        if not handle:
            return None
        try:
            answer = NetworkCounters()
            status = self._ntdll.NtQueryInformationProcess(
                handle, _NETWORK_COUNTERS, byref(answer), ctypes.sizeof(answer), None
            )
        finally:
            self._kernel32.CloseHandle(handle)
        return None if status else (answer.BytesIn, answer.BytesOut)

    def processes(self, pids: Iterable[int]) -> dict[int, int]:
        """Both directions' sum by process, of those that could be read."""
        if not self.by_process:
            return {}
        found = {pid: self.process(pid) for pid in pids}
        return {pid: sum(counters) for pid, counters in found.items() if counters is not None}
