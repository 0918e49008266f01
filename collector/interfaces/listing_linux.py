"""Interfaces as Linux tells of them: one rtnetlink dump per tick gives counters, kinds and parents together.

It needs no privilege and sees the namespace of the calling thread, where ``/sys`` may show another one. The parser is
pure. Source: rtnetlink(7), linux/if_link.h (rtnl_link_stats64), linux/netlink.h.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.selection import Interface, header_of, nature_linux

assert sys.platform == "linux"

_RTM_GETLINK: Final = 18
_RTM_NEWLINK: Final = 16
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_IFLA_IFNAME: Final = 3
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_STATS64: Final = 23
_IFLA_INFO_KIND: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_IFINFO: Final = struct.Struct("=BxHiII")
_ATTR: Final = struct.Struct("=HH")
_STATS: Final = struct.Struct("=8Q")
_MISSED: Final = struct.Struct("=Q")
_REQUEST: Final = _HEADER.pack(_HEADER.size + _IFINFO.size, _RTM_GETLINK, _DUMP, 1, 0) + _IFINFO.pack(0, 0, 0, 0, 0)


def read_interfaces() -> tuple[Interface, ...]:
    """Every interface of this thread's network namespace. Raises OSError."""
    found: list[Interface] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(1)
        netlink.send(_REQUEST)
        while True:
            data = netlink.recv(65536)
            links, done = parse_links(data)
            found += links
            if done:
                return tuple(found)


def parse_links(data: bytes) -> tuple[list[Interface], bool]:
    """The interfaces in one datagram of a dump, and whether it was the last. Raises OSError for an error message."""
    links: list[Interface] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind == _NLMSG_DONE or length < _HEADER.size:
            return links, True
        if kind == _NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", data, at + _HEADER.size)
            raise OSError(-code, os.strerror(-code))
        if kind == _RTM_NEWLINK:
            links.append(_link(data, at + _HEADER.size, at + length))
        at += (length + 3) & ~3
    return links, False


def _attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    while at + 4 <= end:
        length, kind = _ATTR.unpack_from(data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, at + 4, at + length
        at += (length + 3) & ~3


def _link(data: bytes, at: int, end: int) -> Interface:
    _, link_type, index, _, _ = _IFINFO.unpack_from(data, at)
    name, kind, master = "", "", False
    counters = InterfaceCounters()
    for attribute, start, stop in _attributes(data, at + _IFINFO.size, end):
        if attribute == _IFLA_IFNAME:
            name = data[start : stop - 1].decode("utf-8", "replace")
        elif attribute == _IFLA_MASTER:
            master = True
        elif attribute == _IFLA_STATS64:
            counters = _counters(data, start, stop)
        elif attribute == _IFLA_LINKINFO:
            for inner, inner_start, inner_stop in _attributes(data, start, stop):
                if inner == _IFLA_INFO_KIND:
                    kind = data[inner_start:inner_stop].rstrip(b"\0").decode("ascii", "replace")
    return Interface(
        name=name,
        index=index,
        nature=nature_linux(link_type=link_type, kind=kind, master=master, device=not kind),
        header_bytes=header_of(link_type),
        counters=counters,
    )


def _counters(data: bytes, start: int, stop: int) -> InterfaceCounters:
    rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_drops, tx_drops = _STATS.unpack_from(
        data, start
    )
    # rx_missed_errors: packets the card had no room for; 16th of the structure's counters.
    missed = _MISSED.unpack_from(data, start + 15 * 8)[0] if stop - start >= 16 * 8 else 0
    return InterfaceCounters(
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_packets=rx_packets,
        tx_packets=tx_packets,
        rx_drops=rx_drops + missed,
        tx_drops=tx_drops,
        rx_errors=rx_errors,
        tx_errors=tx_errors,
    )
