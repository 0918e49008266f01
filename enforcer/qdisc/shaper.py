"""The shaper: one application in one direction stays under one rate, whatever it does.

Three calls and no clock: ``submit`` a packet, ``release`` what may leave now, ``next_at`` says when to ask again.
Delay comes first (a token bucket with debt); FQ-CoDel inside keeps the delay short and the application's flows fair.
All times are integers of nanoseconds. It knows nothing of handles, threads, applications' names or configuration.

Invariants, each a property test: data leaves at no more than ``rate·t + burst + one packet``; packets of one flow
leave in the order in which they came; every packet leaves once or is counted as dropped; at ``next_at`` something
leaves or is dropped.

Charging. Everything that passes is charged. Two kinds of bytes do not obey the bucket, and are therefore charged up
to a share of the rate, so that they cannot starve the data behind them: control packets that pass at once (half of
the rate), and dropped inbound bytes, which have already crossed the link (1/32: for TCP that is all of them; an
unresponsive flood must not eat the whole allowance; docs/decisions/0022).
"""

from typing import Final

from enforcer.qdisc.codel import LINUX, Aim, aim_for
from enforcer.qdisc.fq_codel import FqCodel
from enforcer.qdisc.queued_packet import Counts, PacketKind, QueuedPacket
from enforcer.qdisc.token_bucket import MTU_BYTES, Bucket, burst_bytes

_NS_PER_S: Final = 10**9
_MIN_LIMIT_BYTES: Final = 128_000
_MAX_LIMIT_BYTES: Final = 4_000_000
_HOLD_NS: Final = 500_000_000
"""At most so long a queue at full rate."""
_AGE_NS: Final = _NS_PER_S
"""Older data is discarded (after sleep and resume nothing is replayed), unless the rate is so low that a full queue
is older."""
_PAST_NS: Final = 2 * _NS_PER_S
_DELAYED_NS: Final = 1_000_000
TICK_NS: Final = 20_000_000
"""The bucket's burst covers a wake-up that is so late."""


def limit_bytes(rate_bps: int) -> int:
    """How many bytes may wait at this rate."""
    return min(_MAX_LIMIT_BYTES, max(_MIN_LIMIT_BYTES, rate_bps * _HOLD_NS // (8 * _NS_PER_S)))


class Shaper:
    """One rate for one application and direction."""

    def __init__(
        self, now_ns: int, rate_bps: int, *, inbound: bool, platform: Aim = LINUX, tick_ns: int = TICK_NS
    ) -> None:
        self._inbound = inbound
        self._platform = platform
        self._tick_ns = tick_ns
        burst = burst_bytes(rate_bps, tick_ns)
        self._bucket = Bucket(now_ns, rate_bps, burst)
        self._control = Bucket(now_ns, max(1, rate_bps // 2), burst)
        self._waste = Bucket(now_ns, max(1, rate_bps // 32), 2 * MTU_BYTES)
        self._queues = FqCodel()
        self._passing: list[QueuedPacket] = []
        self._tune(rate_bps)
        self._submitted = self._released = self._delayed = self._dropped = self._marked = 0
        self._released_bytes = self._dropped_bytes = 0
        self._worst_sojourn_ns = 0

    def _tune(self, rate_bps: int) -> None:
        self._aim = aim_for(self._platform, rate_bps)
        self._limit_bytes = limit_bytes(rate_bps)
        self._max_age_ns = max(_AGE_NS, 2 * self._limit_bytes * 8 * _NS_PER_S // rate_bps)

    @property
    def rate_bps(self) -> int:
        """The rate in force, bits per second."""
        return self._bucket.rate_bps

    @property
    def backlog_bytes(self) -> int:
        """Bytes that wait."""
        return self._queues.backlog_bytes

    @property
    def backlog_packets(self) -> int:
        """Packets that wait."""
        return self._queues.backlog_packets + len(self._passing)

    @property
    def counts(self) -> Counts:
        """What happened since the shaper was made."""
        return Counts(
            self._submitted,
            self._released,
            self._delayed,
            self._dropped,
            self._marked,
            self._released_bytes,
            self._dropped_bytes,
        )

    def oldest_ns(self) -> int | None:
        """When the longest waiting packet arrived; None when nothing waits."""
        return self._queues.oldest_ns

    def worst_sojourn_ns(self) -> int:
        """The longest wait among the packets released since the last call of this."""
        worst, self._worst_sojourn_ns = self._worst_sojourn_ns, 0
        return worst

    def set_rate(self, now_ns: int, rate_bps: int) -> None:
        """Change the rate from now on. What waits keeps waiting at the new rate."""
        if rate_bps == self._bucket.rate_bps:
            return
        burst = burst_bytes(rate_bps, self._tick_ns)
        self._bucket.set_rate(now_ns, rate_bps, burst)
        self._control.set_rate(now_ns, max(1, rate_bps // 2), burst)
        self._waste.set_rate(now_ns, max(1, rate_bps // 32), 2 * MTU_BYTES)
        self._tune(rate_bps)

    def submit(self, now_ns: int, packet: QueuedPacket) -> None:
        """Take a packet. It leaves by ``release``, now or later, or is counted as dropped."""
        self._submitted += 1
        if packet.kind is not PacketKind.DATA and not self._queues.holds(packet.flow):
            self._passing.append(packet)
            if packet.kind is PacketKind.CONTROL and self._control.ready(now_ns):
                self._control.charge(packet.size_bytes)
                self._bucket.charge(packet.size_bytes)
            return
        for lost in self._queues.push(packet, self._limit_bytes):
            self._drop(now_ns, lost)

    def release(self, now_ns: int) -> list[QueuedPacket]:
        """What leaves now, in order. Where ``marked`` is set, the congestion mark (CE) is to be set on the way out."""
        out, self._passing = self._passing, []
        for packet in out:
            self._released += 1
            self._released_bytes += packet.size_bytes
        queues, bucket = self._queues, self._bucket
        while queues.backlog_packets and bucket.ready(now_ns):
            found, marked, dropped = queues.pop(self._aim, now_ns, self._max_age_ns)
            for lost in dropped:
                self._drop(now_ns, lost)
            if found is None:
                break
            packet = found._replace(marked=True) if marked else found
            bucket.charge(packet.size_bytes)
            self._released += 1
            self._released_bytes += packet.size_bytes
            sojourn = now_ns - packet.arrived_ns
            self._worst_sojourn_ns = max(self._worst_sojourn_ns, sojourn)
            if sojourn > _DELAYED_NS:
                self._delayed += 1
            if marked:
                self._marked += 1
            out.append(packet)
        return out

    def _drop(self, now_ns: int, packet: QueuedPacket) -> None:
        self._dropped += 1
        self._dropped_bytes += packet.size_bytes
        if self._inbound and self._waste.ready(now_ns):
            self._waste.charge(packet.size_bytes)
            self._bucket.charge(packet.size_bytes)

    def charge(self, now_ns: int, size_bytes: int) -> None:
        """Bytes of the application that passed elsewhere: paid off by waiting, at most ``_PAST_NS`` of it."""
        room = self._bucket.rate_bps * _PAST_NS // (8 * _NS_PER_S) - self._bucket.debt_bytes(now_ns)
        self._bucket.charge(max(0, min(size_bytes, room)))

    def shed(self, now_ns: int, most_bytes: int) -> None:
        """Drop from the fattest flows until at most ``most_bytes`` wait: memory is short."""
        for lost in self._queues.overflow(most_bytes):
            self._drop(now_ns, lost)

    def next_at(self, now_ns: int) -> int | None:
        """When ``release`` will do something: now or later; None while nothing waits."""
        if self._passing:
            return now_ns
        if not self._queues.backlog_packets:
            return None
        return self._bucket.next_at(now_ns)

    def drain(self) -> list[QueuedPacket]:
        """Everything that waits, in order per flow, uncharged: for switching off."""
        out = [*self._passing, *self._queues.drain()]
        self._passing = []
        self._released += len(out)
        self._released_bytes += sum(packet.size_bytes for packet in out)
        return out
