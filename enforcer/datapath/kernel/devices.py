"""Our devices: an IFB that holds what is received, a veth pair that holds what is sent, an HTB on each.

Their names say whose they are (``autoqos``, a letter, the process's PID), so that those of a dead process are found and
removed. A device of a dead process does nothing: the programs that send packets into it died with the process. The
user's own interfaces, queueing disciplines and filters are never touched. Source: rtnetlink(7), netdevice(7).
"""

import fcntl
import logging
import os
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from enforcer.datapath.kernel import rtnetlink
from enforcer.datapath.kernel.layout import MAJOR, MAX_CLASSES, handle

assert sys.platform == "linux"

_log = logging.getLogger(__name__)

_OURS: Final = re.compile(r"autoqos[duv](\d+)\Z")
_GET_FLAGS, _GET_MTU, _GET_TYPE = 0x8913, 0x8921, 0x8927  # SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR, netdevice(7)
_UP: Final = 1
_FRAME_OF: Final = (1514, 1500)
"""HTB counts Ethernet frames; a limit counts IP packets."""
_BURST_NS: Final = 2_000_000
_MIN_BURST_BYTES: Final = 1_600
_WHOLE_DOWN_NS, _WHOLE_UP_NS = 20_000_000, 2_000_000
"""A merged packet (segmentation offload) that takes longer than this at the class's rate waits in its segments: whole,
64 kB are a queue of 50 ms on a line of 10 Mbit/s, and at 64 kbit/s the class would wait for eight seconds."""
_LARGEST_BYTES: Final = 65_536 + 18
_FRAME_HEADER_BYTES: Final = 18
_DOWN_LIMIT_BYTES: Final = 1 << 25
"""One limit for every rate that a class may get: the programs bound the wait long before."""
UP_QUEUE_BYTES: Final = 512 * 1024
"""An upload's queue holds several packets of 64 kB, or a segmenting sender starves. The programs drop the rest."""
_UP_LIMIT_BYTES: Final = 2 * UP_QUEUE_BYTES
"""More than the programs let in: what HTB itself drops nobody counts."""


def ours(name: str) -> int | None:
    """The PID in a device's name, if it is one of ours."""
    found = _OURS.match(name)
    return int(found[1]) if found else None


def link_type(name: str) -> int | None:
    """The interface's ARPHRD number (1: Ethernet); None without that interface."""
    return _interface(name, _GET_TYPE)


def _interface(name: str, question: int) -> int | None:
    """The 16 bits that an ioctl answers about an interface; None without that interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        return _asked(asker, name, question, "H")


def _asked(asker: socket.socket, name: str, question: int, form: str) -> int | None:
    try:
        answer = fcntl.ioctl(asker, question, struct.pack("16s24x", name.encode()))
    except OSError:
        return None
    found: int = struct.unpack_from(form, answer, 16)[0]
    return found


def largest_frame() -> int:
    """Bytes of the largest frame that an interface may send (loopback and our own devices are not meant)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:  # one for all: this is asked ten times a second
        mtus = [
            _asked(asker, name, _GET_MTU, "I") or 0
            for _, name in socket.if_nameindex()
            if name != "lo" and ours(name) is None
        ]
    return _FRAME_HEADER_BYTES + max([1500, *mtus])


class Netlink:
    """Requests to rtnetlink, one after another."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(5)

    def ask(self, request: bytes, what: str) -> None:
        """Send and wait for the acknowledgement. Raises OSError that says what was asked."""
        self._socket.send(request)
        code = rtnetlink.answer(self._socket.recv(65_536))
        if code:
            raise OSError(code, f"{what}: {os.strerror(code)}")

    def close(self) -> None:
        """Safe to call twice."""
        self._socket.close()


class Devices:
    """The devices of this process, up and with an HTB each. Raises OSError; nothing is left behind then."""

    def __init__(self) -> None:
        pid = os.getpid()
        self._names = (f"autoqosd{pid}", f"autoqosu{pid}", f"autoqosv{pid}")
        self._netlink = Netlink()
        self._leaves: dict[tuple[int, int], int] = {}
        """By device and class: the largest packet that passes whole, bytes."""
        self._rates: dict[tuple[int, int], int] = {}
        self._frame_bytes = largest_frame()
        down, near, far = self._names
        try:
            self._remove()
            self._netlink.ask(rtnetlink.ifb(down), "an IFB device (kernel module ifb)")
            self._netlink.ask(rtnetlink.veth(near, far), "a veth pair (kernel module veth)")
            self.down, self.near, self.far = (socket.if_nametoindex(name) for name in self._names)
            self._pass_frames()
            for index in (self.down, self.near):
                self._netlink.ask(rtnetlink.htb(index, MAJOR), "the queueing discipline HTB (kernel module sch_htb)")
                # A class that nobody gets: whether this kernel has all that a class needs is seen now, or never.
                self.hold(MAX_CLASSES, _MIN_BURST_BYTES * 8, received=index == self.down)
            for index in (self.down, self.near, self.far):
                with suppress(OSError):  # where IPv6 is switched off there is nothing to be kept from
                    self._netlink.ask(rtnetlink.quiet(index), "no addresses for a device")
                self._netlink.ask(rtnetlink.up(index), "setting a device up")
        except BaseException:
            self.close()
            raise

    def hold(self, number: int, rate_bps: int, *, received: bool) -> None:
        """Make the class ``number`` of one direction, or change its rate (bits a second at the IP layer)."""
        index, at = self.down if received else self.near, handle(number)
        frames, packets = _FRAME_OF
        rate = max(rate_bps * frames // packets // 8, 1)
        burst_ns = max(_BURST_NS, _MIN_BURST_BYTES * 10**9 // rate)
        self._netlink.ask(rtnetlink.htb_class(index, at, rate, burst_ns), "a class of HTB")
        self._rates[index, at] = rate
        self._make_leaf(index, at)

    def _make_leaf(self, index: int, at: int) -> None:
        """The class's queue, as its rate and the interfaces' frames want it now."""
        whole_ns, limit = (_WHOLE_DOWN_NS, _DOWN_LIMIT_BYTES) if index == self.down else (_WHOLE_UP_NS, _UP_LIMIT_BYTES)
        burst = self._rates[index, at] * whole_ns // 10**9
        # In powers of two: a rate that changes ten times a second changes the queue seldom.
        largest = max(self._frame_bytes, 1 << burst.bit_length() >> 1) if burst < _LARGEST_BYTES else _LARGEST_BYTES
        if self._leaves.get((index, at)) == largest:
            return
        leaf = rtnetlink.segmenting_leaf(index, at, limit, largest)
        self._netlink.ask(leaf, "a queue of segments (kernel module sch_tbf)")
        self._leaves[index, at] = largest

    def follow_frames(self) -> None:
        """See whether an interface with larger frames came: they must pass whole. Raises OSError."""
        if (frame := largest_frame()) != self._frame_bytes:
            self._frame_bytes = frame
            self._pass_frames()
            for index, at in self._rates:
                self._make_leaf(index, at)

    def _pass_frames(self) -> None:
        """Our devices take frames as large as anybody's, and no larger: the kernel's log warns of a leaf below that."""
        for index in (self.down, self.near, self.far):
            largest = self._frame_bytes - _FRAME_HEADER_BYTES
            self._netlink.ask(rtnetlink.mtu(index, largest), "the largest packet of a device")

    def missing(self) -> str | None:
        """The name of a device that somebody took away or set down; None while all are well."""
        for name in self._names:
            flags = _interface(name, _GET_FLAGS)
            if flags is None or not flags & _UP:
                return name
        return None

    def _remove(self) -> None:
        for name in self._names[:2]:
            with suppress(OSError):
                self._netlink.ask(rtnetlink.delete(socket.if_nametoindex(name)), f"removing {name}")

    def close(self) -> None:
        """Take the devices away. What waits in them is lost, so the classes are emptied first. Safe to call twice."""
        if self._netlink is not None:
            self._remove()
            self._netlink.close()


def remove_leftovers(dead: int | None = None) -> int:
    """Take away the devices of processes that are gone, in this network namespace; how many there were.

    ``dead``: that process counts as gone, also while nobody has buried it.
    """
    pids = {name: pid for _, name in socket.if_nameindex() if (pid := ours(name)) is not None}
    gone = [name for name, pid in pids.items() if pid == dead or not Path(f"/proc/{pid}").exists()]
    if not gone:
        return 0
    netlink = Netlink()
    removed = 0
    try:
        for name in gone:
            with suppress(OSError):  # the other end of a pair went with the first
                netlink.ask(rtnetlink.delete(socket.if_nametoindex(name)), f"removing {name}")
                removed += 1
    finally:
        netlink.close()
    if removed:
        _log.info("removed %d devices of a process that is gone", removed)
    return removed
