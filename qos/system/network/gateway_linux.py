"""The route to an address as the Linux kernel chooses it: rtnetlink's RTM_GETROUTE. The parse is a function of bytes.

Sources: rtnetlink(7), ``linux/rtnetlink.h`` (``struct rtmsg`` and its attributes).
"""

import ipaddress
import os
import socket
import struct
import sys
from typing import Final

assert sys.platform != "win32"

_RTM_NEWROUTE: Final = 24
_RTM_GETROUTE: Final = 26
_REQUEST_FLAG: Final = 1
_ERROR: Final = 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_HEADER: Final = struct.Struct("=IHHII")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")


def route_to(address: str) -> tuple[str, int] | None:
    """The gateway's address and the interface's index; None for a neighbour on this network. Raises OSError."""
    parsed = ipaddress.ip_address(address)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(1)
        netlink.send(request(parsed))
        return parse(netlink.recv(8192))


def request(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """The message that asks for the route."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    packed = address.packed
    body = _ROUTE.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _RTA_DST) + packed
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _REQUEST_FLAG, 1, 0) + body


def parse(answer: bytes) -> tuple[str, int] | None:
    """The gateway and the interface's index in an answer. Raises OSError for an error message (no route)."""
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        raise OSError(-code, os.strerror(-code))
    if kind != _RTM_NEWROUTE:
        return None
    gateway, index = b"", 0
    at, end = _HEADER.size + _ROUTE.size, min(length, len(answer))
    while at + _ATTRIBUTE.size <= end:
        size, name = _ATTRIBUTE.unpack_from(answer, at)
        if size < _ATTRIBUTE.size:
            break
        value = answer[at + _ATTRIBUTE.size : at + size]
        if name == _RTA_GATEWAY:
            gateway = value
        elif name == _RTA_OIF and len(value) == 4:
            (index,) = struct.unpack("=I", value)
        at += (size + 3) & ~3
    if len(gateway) not in (4, 16):
        return None
    return with_scope(ipaddress.ip_address(gateway), index), index


def with_scope(address: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> str:
    """A link-local IPv6 address says on which interface."""
    if address.version == 6 and address.is_link_local:
        try:
            return f"{address}%{socket.if_indextoname(index)}"
        except OSError:
            return str(address)
    return str(address)
