"""A stream of ICMP echoes to several targets from one thread: many may be under way at once, and each says how long it
has been when it is asked about. Where a target answers timestamp requests, both ways are known apart.

``qos.system.echo`` sends one echo and waits; on a line with half a second of queue that is two answers a second. This
one sends on time whatever is outstanding. Sources: RFC 792 (echo, timestamp: milliseconds since midnight UTC), RFC 4443
(ICMPv6 echo). Needs raw sockets: root, or an administrator on Windows. Not run on Windows here.
"""

import os
import select
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qos.system import clock
from qos.system.clock import NS_PER_MS, NS_PER_S
from qos.system.echo import resolve

_ECHO4, _REPLY4, _STAMP, _STAMPED = 8, 0, 13, 14
_ECHO6, _REPLY6 = 128, 129
_HEAD: Final = struct.Struct(">BBHHH")
_STAMPS: Final = struct.Struct(">III")
_DAY_MS: Final = 86_400_000
_PAYLOAD: Final = bytes(48)
LOST_NS: Final = 3 * NS_PER_S
"""An echo without an answer for so long is lost."""
RESOLVE_NS: Final = 5 * NS_PER_S
KEPT: Final = 1024
_TIMESTAMPNS: Final = 35
"""SO_TIMESTAMPNS (socket(7)): the kernel says when a packet came, by the wall clock, however late it is read. Linux."""
_ARRIVED: Final = struct.Struct("@qq")
HEARD: Final = 20
LOSES_PERCENT: Final = 25
"""A target that answers fewer (it limits its answers) tells nothing by an echo that is still under way."""
STAMP_TRIES: Final = 3
"""So many timestamp requests are tried with a target that has not answered one."""


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """One echo. ``rtt_ns`` None: lost; ``pending``: still under way, for ``rtt_ns`` by now.

    ``there_ns`` and ``back_ns``: both ways by the clocks of both ends, in steps of a millisecond: only changes count.
    """

    target: str
    time_ns: int
    rtt_ns: int | None
    pending: bool = False
    there_ns: int | None = None
    back_ns: int | None = None


@dataclass(slots=True)
class _Target:
    name: str
    address: str = ""
    asked_ns: int | None = None
    heard: deque[bool] = field(default_factory=lambda: deque(maxlen=HEARD))
    """Of the last echoes: answered, or overtaken by the answer to a later one, and so lost."""
    stamps_sent: int = 0
    stamps_answered: int = 0

    @property
    def loses(self) -> bool:
        """Whether too many of its echoes are lost for silence to mean a delay."""
        return self.heard.count(False) * 100 > len(self.heard) * LOSES_PERCENT

    @property
    def stamped(self) -> bool:
        """Whether the next request asks for timestamps."""
        return ":" not in self.address and (self.stamps_answered > 0 or self.stamps_sent < STAMP_TRIES)


class EchoStream:
    """``run`` says whom to ask and how often; ``take`` gives what came since the last time and what is under way."""

    def __init__(
        self, addresses_of: Callable[[str], Sequence[str]] = resolve, resolve_again_ns: int = RESOLVE_NS
    ) -> None:
        """``addresses_of`` a target that is a name; one without an address is looked up again after a while."""
        self._addresses_of, self._resolve_again_ns = addresses_of, resolve_again_ns
        self._lock = threading.Lock()
        self._targets: dict[str, _Target] = {}
        self._period_ns = NS_PER_S
        self._answers: deque[StreamedReply] = deque(maxlen=KEPT)
        self._flying: dict[int, tuple[_Target, int]] = {}
        self._wall_ns = clock.wall_ns() - clock.monotonic_ns()
        """Kept from the start: a wall clock that is set must not look like a queue."""
        self._sequence = 0
        self._identity = os.getpid() & 0xFFFF
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._links: dict[int, socket.socket] = {}
        self._reading = threading.Lock()
        self.failed: str | None = None
        """Why nobody can be asked here (no raw sockets); None while all is well."""

    def run(self, targets: Sequence[str], period_ns: int) -> None:
        """Ask these from now on, each once in ``period_ns``; nobody: stop."""
        with self._lock:
            self._period_ns = period_ns
            self._targets = {name: self._targets.get(name) or _Target(name) for name in targets}
        if targets and self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(self._stop,), name="echo-stream", daemon=True)
            self._thread.start()
        elif not targets:
            self.close()

    def take(self) -> list[StreamedReply]:
        """Answers and losses since the last call, then one pending entry for each target's oldest echo under way."""
        with self._reading:  # what has come is not under way, even where the thread had no time to read it
            for link in self._links.values():
                self._receive(link)
        now_ns = clock.monotonic_ns()
        found = [self._answers.popleft() for _ in range(len(self._answers))]
        oldest: dict[str, int] = {}
        with self._lock:
            for target, sent_ns in self._flying.values():
                if target.loses:
                    continue
                oldest[target.name] = min(sent_ns, oldest.get(target.name, sent_ns))
        return found + [StreamedReply(name, now_ns, now_ns - sent_ns, pending=True) for name, sent_ns in oldest.items()]

    def close(self) -> None:
        """Stop asking. The thread ends by itself within a tenth of a second."""
        self._stop.set()
        self._thread = None
        with self._lock:
            self._flying.clear()

    def _work(self, stop: threading.Event) -> None:
        due: dict[str, int] = {}
        links: dict[int, socket.socket] = {}
        try:
            for family, protocol in ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6)):
                try:
                    made = socket.socket(family, socket.SOCK_RAW, protocol)
                except OSError as error:
                    if family == socket.AF_INET:
                        self.failed = f"no raw sockets: {error.strerror}"
                        return
                    continue
                made.setblocking(False)
                if sys.platform == "linux":
                    made.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
                links[family] = made
            self.failed = None
            with self._reading:
                self._links = links
            while not stop.is_set():
                wait_ns = self._send_due(due, links)
                ready, _, _ = select.select(list(links.values()), [], [], min(0.1, wait_ns / NS_PER_S))
                with self._reading:
                    for one in ready:
                        self._receive(one)
        finally:
            with self._reading:
                if self._links is links:
                    self._links = {}
                for one in links.values():
                    one.close()

    def _send_due(self, due: dict[str, int], links: dict[int, socket.socket]) -> int:
        """Send what is due; nanoseconds until the next is."""
        now_ns = clock.monotonic_ns()
        with self._lock:
            targets, period_ns = list(self._targets.values()), self._period_ns
            for number in [n for n, (_, sent_ns) in self._flying.items() if now_ns - sent_ns > LOST_NS]:
                target, _ = self._flying.pop(number)
                self._answers.append(StreamedReply(target.name, now_ns, None))
        soonest = now_ns + period_ns
        for place, target in enumerate(targets):
            # Spread over the period, so that something is heard all the time.
            then = min(due.get(target.name, now_ns + place * period_ns // len(targets)), now_ns + period_ns)
            if then <= now_ns:
                self._send(target, now_ns, links)
                then = max(then + period_ns, now_ns + period_ns // 2)
            due[target.name] = then
            soonest = min(soonest, then)
        for gone in due.keys() - {target.name for target in targets}:
            del due[gone]
        return max(0, soonest - now_ns)

    def _send(self, target: _Target, now_ns: int, links: dict[int, socket.socket]) -> None:
        if not target.address:
            if target.asked_ns is not None and now_ns - target.asked_ns < self._resolve_again_ns:
                return
            target.asked_ns = now_ns
            addresses = self._addresses_of(target.name)
            if not addresses:
                return
            target.address = addresses[0]
        six = ":" in target.address
        link = links.get(socket.AF_INET6 if six else socket.AF_INET)
        if link is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        now_ns = clock.monotonic_ns()
        if target.stamped:
            target.stamps_sent += 1
            message = request(
                _STAMP,
                self._identity,
                self._sequence,
                _STAMPS.pack((now_ns + self._wall_ns) // NS_PER_MS % _DAY_MS, 0, 0),
            )
        else:
            message = request(_ECHO6 if six else _ECHO4, self._identity, self._sequence, _PAYLOAD)
        with self._lock:  # first: whoever takes answers may read this one before ``sendto`` has returned
            self._flying[self._sequence] = (target, now_ns)
        try:
            link.sendto(message, (target.address, 0))
        except OSError:
            with self._lock:
                self._flying.pop(self._sequence, None)
            self._answers.append(StreamedReply(target.name, now_ns, None))

    def _receive(self, link: socket.socket) -> None:
        while True:
            try:
                data, came_ns = _read(link)
            except OSError:
                return
            parsed = reply(data, six=link.family == socket.AF_INET6)
            if parsed is None or parsed[0] != self._identity:
                continue
            _, number, stamps = parsed
            with self._lock:
                known = self._flying.pop(number, None)
                if known is None:
                    continue
                target, sent_ns = known
                target.heard.append(True)
                # A queue keeps the order: what was sent before an echo that is answered is lost.
                for lost in [n for n, (who, then_ns) in self._flying.items() if who is target and then_ns < sent_ns]:
                    del self._flying[lost]
                    target.heard.append(False)
                    self._answers.append(StreamedReply(target.name, came_ns, None))
            there = back = None
            if stamps is not None:
                target.stamps_answered += 1
                _, received, transmitted = stamps
                if received < _DAY_MS and transmitted < _DAY_MS:  # RFC 792: the high bit marks another unit
                    there = _since_midnight(received * NS_PER_MS - self._of_day(sent_ns))
                    back = _since_midnight(self._of_day(came_ns) - transmitted * NS_PER_MS)
            self._answers.append(StreamedReply(target.name, came_ns, came_ns - sent_ns, False, there, back))

    def _of_day(self, monotonic_ns: int) -> int:
        return (monotonic_ns + self._wall_ns) % (_DAY_MS * NS_PER_MS)


def _read(link: socket.socket) -> tuple[bytes, int]:
    """A packet, and when it came by the monotonic clock. Raises OSError when there is none."""
    if sys.platform != "linux":
        return link.recv(2048), clock.monotonic_ns()
    data, control, _, _ = link.recvmsg(2048, 64)
    now_ns = clock.monotonic_ns()
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == _TIMESTAMPNS and len(value) >= _ARRIVED.size:
            seconds, rest = _ARRIVED.unpack_from(value)
            return data, now_ns - min(LOST_NS, max(0, clock.wall_ns() - seconds * NS_PER_S - rest))
    return data, now_ns


def _since_midnight(difference_ns: int) -> int:
    """The difference of two times of day, around midnight too: within half a day either way."""
    day = _DAY_MS * NS_PER_MS
    return (difference_ns + day // 2) % day - day // 2


def request(kind: int, identity: int, sequence: int, body: bytes) -> bytes:
    """An ICMP message with its checksum (the system fills in ICMPv6's)."""
    head = _HEAD.pack(kind, 0, 0, identity, sequence)
    total: int = sum(struct.unpack(f">{len(head + body) // 2}H", head + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return _HEAD.pack(kind, 0, ~total & 0xFFFF, identity, sequence) + body


def reply(data: bytes, *, six: bool) -> tuple[int, int, tuple[int, int, int] | None] | None:
    """Identifier, sequence and timestamps (originate, receive, transmit) of an answer; None for anything else.

    Over IPv4 a raw socket gives the IP header too, over IPv6 it does not.
    """
    body = data if six else data[(data[0] & 0xF) * 4 :] if data else b""
    if len(body) < _HEAD.size:
        return None
    kind, code, _, identity, sequence = _HEAD.unpack_from(body)
    if code or kind not in ((_REPLY6,) if six else (_REPLY4, _STAMPED)):
        return None
    if kind != _STAMPED or six:
        return identity, sequence, None
    if len(body) < _HEAD.size + _STAMPS.size:
        return None
    return identity, sequence, _STAMPS.unpack_from(body, _HEAD.size)
