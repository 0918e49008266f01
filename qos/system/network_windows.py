"""The default gateway on Windows: GetBestRoute and SendARP of iphlpapi.dll (learn.microsoft.com). Not run on Windows.

Both structures hold IPv4 addresses as the four bytes in network order.
"""

import ctypes
import socket
import struct
from typing import Any, Final

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
_ROUTE_BYTES: Final = 14 * 4
_NEXT_HOP_AT: Final = 3 * 4
"""MIB_IPFORWARDROW: dwForwardDest, dwForwardMask, dwForwardPolicy, dwForwardNextHop, …"""
_FAR: Final = "192.0.2.1"


def gateway() -> str | None:
    """The IPv4 gateway towards the rest of the world; None without one."""
    row = ctypes.create_string_buffer(_ROUTE_BYTES)
    (far,) = struct.unpack("=I", socket.inet_aton(_FAR))
    if _native.windll.iphlpapi.GetBestRoute(far, 0, row):
        return None
    hop = row.raw[_NEXT_HOP_AT : _NEXT_HOP_AT + 4]
    return socket.inet_ntoa(hop) if any(hop) else None


def gateway_mac(address: str) -> str | None:
    """The gateway's hardware address; None when it does not answer."""
    mac, length = ctypes.create_string_buffer(8), ctypes.c_ulong(8)
    (hop,) = struct.unpack("=I", socket.inet_aton(address))
    if _native.windll.iphlpapi.SendARP(hop, 0, mac, ctypes.byref(length)):
        return None
    return mac.raw[: length.value].hex(":")
