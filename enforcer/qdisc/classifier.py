"""Classifier: which shaper a packet goes through. Packets in, packets to send now out; no thread, handle or clock.

An application under a limit has a class (in tc's sense): a shaper per limited direction. A packet finds its class by
protocol and local port; everybody else's packets, and everything that is no IP packet, come straight back in the order
they came.

On a fast path a new flow's first packets can come before anybody has said whose it is. They pass, and are remembered by
port: whoever turns out to be behind it is charged for them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from enforcer.qdisc.codel import LINUX, Aim
from enforcer.qdisc.ecn import with_ce
from enforcer.qdisc.exemptions import queued_packet_of
from enforcer.qdisc.queued_packet import Counts, QueuedPacket
from enforcer.qdisc.shaper import Shaper
from qos.contract.direction import Direction
from qos.packets.divert import RawPacket
from qos.packets.packet import parse

MAX_UNCLAIMED: Final = 4_096
UNCLAIMED_BYTES: Final = 4_000_000
"""A flow that moved more than this without anybody claiming it is somebody else's."""
MAX_HELD_BYTES: Final = 32_000_000
"""All classes together."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What an application is held to, bits per second. None: not held in that direction."""

    down_bps: int | None = None
    up_bps: int | None = None


@dataclass(frozen=True, slots=True)
class ClassStats:
    """What one class did in one direction since the last look, and how it stands."""

    counts: Counts
    """Since the class was made."""
    backlog_bytes: int
    worst_wait_ns: int
    """Longest wait of a packet released since the last look, or of one that waits still."""
    rate_bps: int = 0
    """What the class lets through."""


@dataclass(slots=True)
class _AppClass:
    down: Shaper | None = None
    up: Shaper | None = None

    @property
    def shapers(self) -> tuple[Shaper, ...]:
        return tuple(shaper for shaper in (self.down, self.up) if shaper is not None)


class Classifier:
    """All classes. One thread at a time."""

    def __init__(self, platform: Aim = LINUX) -> None:
        self._platform = platform
        self._classes: dict[str, _AppClass] = {}
        self._owners: dict[tuple[int, int], str] = {}
        self._ports: dict[tuple[int, int], _AppClass] = {}
        self._unclaimed: dict[tuple[int, int], list[int]] = {}
        self._seen = 0
        self._foreign = 0

    def __len__(self) -> int:
        return len(self._classes)

    @property
    def seen(self) -> int:
        """Packets taken so far."""
        return self._seen

    @property
    def foreign(self) -> int:
        """Of them, those of nobody who is limited: passed on at once."""
        return self._foreign

    def set_rates(self, now_ns: int, rates: Mapping[str, RateLimits]) -> list[RawPacket]:
        """The limits from now on. Returns what waited in classes that ended: send it."""
        freed: list[RawPacket] = []
        for app in [app for app in self._classes if app not in rates]:
            for shaper in self._classes.pop(app).shapers:
                freed += _raw(shaper.drain())
        for app, wanted in rates.items():
            app_class = self._classes.setdefault(app, _AppClass())
            app_class.down = self._shaper(now_ns, app_class.down, wanted.down_bps, True, freed)
            app_class.up = self._shaper(now_ns, app_class.up, wanted.up_bps, False, freed)
        self._index()
        return freed

    def _shaper(
        self, now_ns: int, shaper: Shaper | None, rate_bps: int | None, inbound: bool, freed: list[RawPacket]
    ) -> Shaper | None:
        if rate_bps is None:
            if shaper is not None:
                freed += _raw(shaper.drain())
            return None
        if shaper is None:
            return Shaper(now_ns, rate_bps, inbound=inbound, platform=self._platform)
        shaper.set_rate(now_ns, rate_bps)
        return shaper

    def set_owners(self, now_ns: int, owners: Mapping[tuple[int, int], str]) -> None:
        """Who is behind each (protocol number, local port). Ports of the unlimited may be in it."""
        self._owners = dict(owners)
        self._index()
        for port in [port for port in self._unclaimed if port in owners]:
            self._charge(now_ns, port)

    def adopt(self, now_ns: int, protocol: int, port: int, app: str) -> None:
        """One more port, learned between two ``set_owners``."""
        self._owners[protocol, port] = app
        app_class = self._classes.get(app)
        if app_class is not None:
            self._ports[protocol, port] = app_class
        self._charge(now_ns, (protocol, port))

    def _charge(self, now_ns: int, port: tuple[int, int]) -> None:
        down, up = self._unclaimed.pop(port, (0, 0))
        app_class = self._ports.get(port)
        if app_class is not None:
            for shaper, size in ((app_class.down, down), (app_class.up, up)):
                if shaper is not None and size:
                    shaper.charge(now_ns, size)

    def _note_unclaimed(self, port: tuple[int, int], size: int, *, outbound: bool) -> bool:
        """Remember what passed of a flow that nobody has claimed yet; whether it is somebody else's for sure."""
        if port in self._owners or not port[1]:
            return True
        met = self._unclaimed.get(port)
        if met is None:
            while len(self._unclaimed) >= MAX_UNCLAIMED:
                del self._unclaimed[next(iter(self._unclaimed))]
            met = self._unclaimed[port] = [0, 0]
        met[outbound] += size
        return met[outbound] > UNCLAIMED_BYTES

    def _index(self) -> None:
        classes = self._classes
        self._ports = {port: classes[app] for port, app in self._owners.items() if app in classes}

    def take(self, now_ns: int, packets: Iterable[RawPacket]) -> list[RawPacket]:
        """Packets from the system; returns what is to be sent now."""
        out: list[RawPacket] = []
        touched: dict[int, Shaper] = {}
        ports = self._ports
        for packet in packets:
            self._seen += 1
            headers = parse(packet.data)
            app_class, foreign = None, True
            if headers is not None:
                port = (headers.protocol, headers.source_port if packet.outbound else headers.destination_port)
                app_class = ports.get(port)
                foreign = app_class is None and self._note_unclaimed(port, headers.length, outbound=packet.outbound)
            shaper = None if app_class is None else app_class.up if packet.outbound else app_class.down
            if shaper is None or headers is None:
                self._foreign += foreign
                out.append(packet)
                continue
            shaper.submit(now_ns, queued_packet_of(headers, min(packet.timestamp_ns, now_ns), packet))
            touched[id(shaper)] = shaper
        for shaper in touched.values():
            out += _raw(shaper.release(now_ns))
        return self._bounded(now_ns, out, touched.values())

    def _bounded(self, now_ns: int, out: list[RawPacket], touched: Iterable[Shaper]) -> list[RawPacket]:
        for shaper in touched:
            if shaper.backlog_bytes > MAX_HELD_BYTES // 16 and self._held() > MAX_HELD_BYTES:
                shaper.shed(now_ns, MAX_HELD_BYTES // 16)
        return out

    def _held(self) -> int:
        return sum(shaper.backlog_bytes for shaper in self._all())

    def release(self, now_ns: int) -> list[RawPacket]:
        """What may leave now."""
        out: list[RawPacket] = []
        for shaper in self._all():
            if shaper.backlog_packets:
                out += _raw(shaper.release(now_ns))
        return out

    def next_at(self, now_ns: int) -> int | None:
        """When ``release`` will give something; None while nothing waits."""
        times = [then for shaper in self._all() if (then := shaper.next_at(now_ns)) is not None]
        return min(times, default=None)

    def drain(self) -> list[RawPacket]:
        """Everything that waits: send it. No class is left; packets that come now pass at once."""
        return self.set_rates(0, {})

    def stats(self, now_ns: int) -> dict[str, dict[Direction, ClassStats]]:
        """How every class does. Asking resets the worst waits."""
        result: dict[str, dict[Direction, ClassStats]] = {}
        for app, app_class in self._classes.items():
            sides: dict[Direction, ClassStats] = {}
            if app_class.down is not None:
                sides["down"] = _stats_of(now_ns, app_class.down)
            if app_class.up is not None:
                sides["up"] = _stats_of(now_ns, app_class.up)
            result[app] = sides
        return result

    def _all(self) -> Iterable[Shaper]:
        return (
            shaper
            for app_class in self._classes.values()
            for shaper in (app_class.down, app_class.up)
            if shaper is not None
        )


def _stats_of(now_ns: int, shaper: Shaper) -> ClassStats:
    oldest = shaper.oldest_ns()
    worst = max(shaper.worst_sojourn_ns(), 0 if oldest is None else now_ns - oldest)
    return ClassStats(shaper.counts, shaper.backlog_bytes, worst, shaper.rate_bps)


def _raw(packets: Iterable[QueuedPacket]) -> list[RawPacket]:
    return [replace(p.raw, data=with_ce(p.raw.data)) if p.marked else p.raw for p in packets]
