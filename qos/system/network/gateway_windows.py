"""The route to an address as Windows chooses it: ``GetBestRoute2``. The parse is a function of bytes.

Sources: ``netioapi.h`` and ``ws2ipdef.h`` in Microsoft's reference: ``MIB_IPFORWARD_ROW2`` is 104 bytes, its
``InterfaceIndex`` at 8 and its ``NextHop`` (a ``SOCKADDR_INET`` of 28 bytes) at 44. Not run on a real Windows here.
"""

import ctypes
import ipaddress
import struct
from typing import Any, Final

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
_ROW_BYTES: Final = 104
_SOCKADDR_BYTES: Final = 28
_AF_INET, _AF_INET6 = 2, 23
_NO_ROUTE: Final = frozenset({1168, 1231, 1232})
"""ERROR_NOT_FOUND, ERROR_NETWORK_UNREACHABLE, ERROR_HOST_UNREACHABLE."""


def route_to(address: str) -> tuple[str, int] | None:
    """The gateway's address and the interface's index; None for a neighbour on this network. Raises OSError."""
    destination = ctypes.create_string_buffer(sockaddr(ipaddress.ip_address(address)), _SOCKADDR_BYTES)
    row, source = ctypes.create_string_buffer(_ROW_BYTES), ctypes.create_string_buffer(_SOCKADDR_BYTES)
    code = _native.windll.iphlpapi.GetBestRoute2(None, 0, None, destination, 0, row, source)
    if code in _NO_ROUTE:
        return None
    if code:
        raise OSError(code, f"no route can be asked for (Windows error {code})")
    return parse(row.raw)


def sockaddr(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """A ``SOCKADDR_INET``."""
    if address.version == 4:
        return struct.pack("<HH4s20x", _AF_INET, 0, address.packed)
    return struct.pack("<HHI16sI", _AF_INET6, 0, 0, address.packed, 0)


def parse(row: bytes) -> tuple[str, int] | None:
    """The gateway and the interface's index in a ``MIB_IPFORWARD_ROW2``; None when the next hop is unspecified."""
    (index,) = struct.unpack_from("<I", row, 8)
    (family,) = struct.unpack_from("<H", row, 44)
    if family == _AF_INET:
        v4 = ipaddress.IPv4Address(row[48:52])
        return None if v4.is_unspecified else (str(v4), index)
    if family != _AF_INET6:
        return None
    v6 = ipaddress.IPv6Address(row[52:68])
    if v6.is_unspecified:
        return None
    return (f"{v6}%{index}" if v6.is_link_local else str(v6)), index
