"""Messages to the kernel's rtnetlink: devices, the HTB queueing discipline, its classes and their leaves. Pure: bytes.

A whole library for this exists (pyroute2); loaded it takes 28 MB and 1.9 s, more than the enforcer itself, for ten
messages. Sources: rtnetlink(7), netlink(7), tc-htb(8), tc-tbf(8), ``linux/pkt_sched.h``, ``linux/if_link.h``,
``linux/veth.h``.
"""

import struct
from typing import Final

NEW_LINK, DELETE_LINK, NEW_QDISC, NEW_CLASS = 16, 17, 36, 40
_REQUEST, _ACK, _CREATE, _EXCLUSIVE, _REPLACE = 0x1, 0x4, 0x400, 0x200, 0x100
_ERROR: Final = 2

_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")
_TRAFFIC: Final = struct.Struct("=BxxxiIII")
_ROOT: Final = 0xFFFFFFFF
_UP, _NO_ARP = 0x1, 0x80

_NAME, _MTU, _LINK_INFO, _AF_SPEC = 3, 4, 18, 26
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1
_INET6, _ADDRESS_MODE, _NO_ADDRESSES = 10, 8, b"\x01"
_KIND, _OPTIONS = 1, 2
_HTB_PARAMETERS, _HTB_INIT, _HTB_DIRECT, _HTB_RATE64, _HTB_CEIL64 = 1, 2, 5, 6, 7
_HTB_VERSION, _ETHERNET = 3, 1
_TBF_PARAMETERS, _TBF_RATE64, _TBF_BURST = 1, 4, 6
_UNBOUNDED_RATE: Final = 125_000_000_000
"""Bytes a second (a terabit): a bucket of this rate never makes a packet wait."""

_QUANTUM: Final = 60_000
_TICK_SHIFT: Final = 6
"""The kernel's packet scheduler reckons in ticks of 64 ns (``PSCHED_SHIFT``)."""
_LONG: Final = 1 << 32


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One request that asks for an acknowledgement."""
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACK | flags, 0, 0) + body


def answer(reply: bytes) -> int:
    """The error number of an acknowledgement; 0: done. Raises ValueError for anything else."""
    _, kind, _, _, _ = _HEADER.unpack_from(reply)
    if kind != _ERROR:
        raise ValueError(f"a netlink message of type {kind} instead of an acknowledgement")
    code: int = struct.unpack_from("=i", reply, _HEADER.size)[0]
    return -code


def _attribute(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _name(name: str) -> bytes:
    return _attribute(_NAME, name.encode() + b"\0")


def ifb(name: str) -> bytes:
    """Make an intermediate functional block: packets sent into it come out where they were received."""
    info = _attribute(_LINK_INFO, _attribute(_INFO_KIND, b"ifb\0"))
    return message(NEW_LINK, _CREATE | _EXCLUSIVE, _LINK.pack(0, 0, 0, 0, 0) + _name(name) + info)


def veth(name: str, peer: str) -> bytes:
    """Make a pair: what is sent into one end is received by the other."""
    other = _attribute(_PEER, _LINK.pack(0, 0, 0, 0, 0), _name(peer))
    info = _attribute(_LINK_INFO, _attribute(_INFO_KIND, b"veth\0"), _attribute(_INFO_DATA, other))
    return message(NEW_LINK, _CREATE | _EXCLUSIVE, _LINK.pack(0, 0, 0, 0, 0) + _name(name) + info)


def mtu(index: int, largest: int) -> bytes:
    """The most bytes of IP that a packet on this device has."""
    return message(NEW_LINK, 0, _LINK.pack(0, 0, index, 0, 0) + _attribute(_MTU, struct.pack("=I", largest)))


def quiet(index: int) -> bytes:
    """No IPv6 address of its own for a device: before it is set up, in one request the kernel looks at this last."""
    mode = _attribute(_AF_SPEC, _attribute(_INET6, _attribute(_ADDRESS_MODE, _NO_ADDRESSES)))
    return message(NEW_LINK, 0, _LINK.pack(0, 0, index, 0, 0) + mode)


def up(index: int) -> bytes:
    """Set a device up, without asking for anybody's address."""
    return message(NEW_LINK, 0, _LINK.pack(0, 0, index, _UP | _NO_ARP, _UP | _NO_ARP))


def delete(index: int) -> bytes:
    """Take a device away; a veth's other end goes with it."""
    return message(DELETE_LINK, 0, _LINK.pack(0, 0, index, 0, 0))


def htb(index: int, major: int) -> bytes:
    """Put an HTB at the device's root. What belongs to no class passes at once."""
    init = _attribute(_HTB_INIT, struct.pack("=5I", _HTB_VERSION, 10, 0, 0, 0))
    options = _attribute(_OPTIONS, init, _attribute(_HTB_DIRECT, struct.pack("=I", 1000)))
    body = _TRAFFIC.pack(0, index, major << 16, _ROOT, 0) + _attribute(_KIND, b"htb\0") + options
    return message(NEW_QDISC, _CREATE | _REPLACE, body)


def _rate(rate: int) -> bytes:
    """``tc_ratespec``: bytes a second of Ethernet frames; a larger one than 32 bits hold is given beside it."""
    return struct.pack("=BBHhHI", 0, _ETHERNET, 0, -1, 0, min(rate, _LONG - 1))


def htb_class(index: int, handle: int, rate: int, burst_ns: int) -> bytes:
    """Make the class, or change its rate: ``rate`` bytes a second of Ethernet frames, never more by borrowing."""
    spec = _rate(rate)
    ticks = max(burst_ns >> _TICK_SHIFT, 1)
    parameters = spec + spec + struct.pack("=5I", ticks, ticks, _QUANTUM, 0, 0)
    inner = [_attribute(_HTB_PARAMETERS, parameters)]
    if rate >= _LONG:
        inner += [_attribute(kind, struct.pack("=Q", rate)) for kind in (_HTB_RATE64, _HTB_CEIL64)]
    body = _TRAFFIC.pack(0, index, handle, handle & 0xFFFF0000, 0) + _attribute(_KIND, b"htb\0")
    return message(NEW_CLASS, _CREATE, body + _attribute(_OPTIONS, *inner))


def _leaf(index: int, parent: int, kind: bytes, *options: bytes) -> bytes:
    body = _TRAFFIC.pack(0, index, (parent & 0xFFFF) + 1 << 16, parent, 0) + _attribute(_KIND, kind + b"\0")
    return message(NEW_QDISC, _CREATE | _REPLACE, body + _attribute(_OPTIONS, *options))


def segmenting_leaf(index: int, parent: int, limit_bytes: int, largest: int) -> bytes:
    """A class's queue that takes packets of the segmentation offload apart when they are larger than ``largest`` bytes.

    That is what a token bucket filter does with packets above its burst; its rate bounds nothing here. Other packets
    above it are dropped: it must not be less than a frame of any interface.
    """
    spec = _rate(_UNBOUNDED_RATE)
    return _leaf(
        index,
        parent,
        b"tbf",
        _attribute(_TBF_PARAMETERS, spec + bytes(len(spec)) + struct.pack("=3I", limit_bytes, 0, 0)),
        _attribute(_TBF_RATE64, struct.pack("=Q", _UNBOUNDED_RATE)),
        _attribute(_TBF_BURST, struct.pack("=I", largest)),
    )
