"""A neighbour's hardware address on Windows: SendARP of iphlpapi.dll (learn.microsoft.com); IPv4 only.

The call may ask the network, and wait for about a second when nobody answers. Not run on Windows here.
"""

import ctypes
import socket
import struct
from typing import Any

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""


def hardware_address(address: str) -> str | None:
    """None when the neighbour does not answer."""
    try:
        (target,) = struct.unpack("=I", socket.inet_aton(address))
    except OSError:
        return None  # an IPv6 address
    found, length = ctypes.create_string_buffer(8), ctypes.c_ulong(8)
    if _native.windll.iphlpapi.SendARP(target, 0, found, ctypes.byref(length)):
        return None
    return found.raw[: length.value].hex(":")
