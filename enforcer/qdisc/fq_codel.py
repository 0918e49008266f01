"""FQ-CoDel: one queue per flow, served in turns, each watched by CoDel.

It orders and discards; it knows nothing of rates. ``push`` takes a packet, ``pop`` gives the next one to send. What is
discarded on the way is handed to the caller, so that every packet leaves exactly once or is counted.

Source: RFC 8290 §4 (deficit round robin over new and old flows, overflow drops from the head of the fattest flow).
Departures: flows are kept in a dictionary instead of a hash table (no collisions), CoDel never drops from a flow with
few packets (``codel.KEEP_PACKETS``), control packets are never judged, congestion-capable packets are marked, and an
overflow drops a batch from several fat flows, where Linux's sch_fq_codel drops up to 64 packets of the fattest one.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final, NamedTuple

from enforcer.qdisc.codel import Aim, Codel
from enforcer.qdisc.queued_packet import PacketKind, QueuedPacket

QUANTUM_BYTES: Final = 1514
MAX_IDLE_FLOWS: Final = 1024
"""CoDel remembers so many flows without packets; the longest idle are forgotten first."""


DROP_BATCH: Final = 16
"""An overflow drops one packet of the fattest flow, and one more for each so many flows that wait."""


class Popped(NamedTuple):
    """The next packet to send (None: empty), whether it is to be marked, and what was discarded before it."""

    packet: QueuedPacket | None
    marked: bool
    dropped: tuple[QueuedPacket, ...]


class _Flow:
    __slots__ = ("backlog_bytes", "codel", "deficit", "key", "listed", "queue")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.queue: deque[QueuedPacket] = deque()
        self.backlog_bytes = 0
        self.codel = Codel()
        self.deficit = 0
        self.listed = False


class FqCodel:
    """The queues of one application in one direction."""

    __slots__ = ("_flows", "_idle", "_new", "_old", "backlog_bytes", "backlog_packets")

    def __init__(self) -> None:
        self._flows: dict[Hashable, _Flow] = {}
        self._idle: OrderedDict[Hashable, None] = OrderedDict()
        self._new: deque[_Flow] = deque()
        self._old: deque[_Flow] = deque()
        self.backlog_bytes = 0
        self.backlog_packets = 0

    def holds(self, flow: Hashable) -> bool:
        """Whether packets of this flow are waiting."""
        found = self._flows.get(flow)
        return found is not None and bool(found.queue)

    @property
    def oldest_ns(self) -> int | None:
        """When the longest waiting head arrived; None when empty."""
        return min((f.queue[0].arrived_ns for f in self._flows.values() if f.queue), default=None)

    def push(self, packet: QueuedPacket, limit_bytes: int) -> tuple[QueuedPacket, ...]:
        """Queue a packet; returns what had to go because more than ``limit_bytes`` would wait."""
        flow = self._flows.get(packet.flow)
        if flow is None:
            flow = self._flows[packet.flow] = _Flow(packet.flow)
        self._idle.pop(packet.flow, None)
        flow.queue.append(packet)
        flow.backlog_bytes += packet.size_bytes
        self.backlog_bytes += packet.size_bytes
        self.backlog_packets += 1
        if not flow.listed:
            flow.listed = True
            flow.deficit = QUANTUM_BYTES
            self._new.append(flow)
        if self.backlog_bytes <= limit_bytes:
            return ()
        return self.overflow(limit_bytes)

    def overflow(self, limit_bytes: int) -> tuple[QueuedPacket, ...]:
        """Take from the heads of the fattest flows until at most ``limit_bytes`` wait (one packet a flow is kept)."""
        dropped: list[QueuedPacket] = []
        while self.backlog_bytes > limit_bytes:
            waiting = [flow for flow in (*self._new, *self._old) if len(flow.queue) > 1]
            if not waiting:
                break  # every flow keeps one packet, however large it is
            # One search makes room for several packets, or each packet of a flood would pay for a search of all flows.
            for fat in heapq.nlargest(1 + len(waiting) // DROP_BATCH, waiting, key=lambda flow: flow.backlog_bytes):
                dropped.append(self._take(fat))
        return tuple(dropped)

    def _take(self, flow: _Flow) -> QueuedPacket:
        packet = flow.queue.popleft()
        flow.backlog_bytes -= packet.size_bytes
        self.backlog_bytes -= packet.size_bytes
        self.backlog_packets -= 1
        return packet

    def pop(self, aim: Aim, now_ns: int, max_age_ns: int) -> Popped:
        """The next packet by turns, after CoDel has judged. Data older than ``max_age_ns`` is discarded, never
        replayed."""
        dropped: list[QueuedPacket] = []
        while self._new or self._old:
            source = self._new or self._old
            flow = source[0]
            if flow.deficit <= 0:
                source.popleft()
                flow.deficit += self._refill(flow)
                self._old.append(flow)
                continue
            found = self._judge(flow, aim, now_ns, max_age_ns, dropped)
            if found is None:
                source.popleft()
                if source is self._new and self._old:
                    flow.deficit = 0  # RFC 8290 §4.2: an emptied new flow ends the old ones' turn first
                    self._old.append(flow)
                else:
                    self._retire(flow)
                continue
            packet, marked = found
            flow.deficit -= packet.size_bytes
            return Popped(packet, marked, tuple(dropped))
        return Popped(None, False, tuple(dropped))

    def _refill(self, flow: _Flow) -> int:
        # Alone, a flow in deep deficit (a 64 KB packet) would only go round and round: give it all turns at once.
        if not self._new and not self._old:
            return -flow.deficit + QUANTUM_BYTES
        return QUANTUM_BYTES

    def _judge(
        self, flow: _Flow, aim: Aim, now_ns: int, max_age_ns: int, dropped: list[QueuedPacket]
    ) -> tuple[QueuedPacket, bool] | None:
        while flow.queue:
            waiting = len(flow.queue)
            packet = self._take(flow)
            if packet.kind is not PacketKind.DATA:
                return packet, False
            sojourn = now_ns - packet.arrived_ns
            if sojourn > max_age_ns:
                dropped.append(packet)
                continue
            if not flow.codel.judge(aim, now_ns, sojourn, waiting):
                return packet, False
            if packet.ecn:
                return packet, True
            dropped.append(packet)
        return None

    def _retire(self, flow: _Flow) -> None:
        flow.listed = False
        self._idle[flow.key] = None
        while len(self._idle) > MAX_IDLE_FLOWS:
            key, _ = self._idle.popitem(last=False)
            del self._flows[key]

    def drain(self) -> list[QueuedPacket]:
        """Everything that waits, flow by flow in order; the queues are empty afterwards."""
        packets = []
        for flow in (*self._new, *self._old):
            while flow.queue:
                packets.append(self._take(flow))
            self._retire(flow)
        self._new.clear()
        self._old.clear()
        return packets
