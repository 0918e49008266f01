"""From counted flows to owners: what nobody is known for yet waits a while, then it goes unattributed. Pure.

A packet can be counted before the event that names its process is read, and a socket older than the events is only
found in a snapshot of the socket table. So an unknown flow's bytes are parked; they are attributed as soon as somebody
is known, and after ``PARK_NS`` nobody will be. A flow that was given up once is looked up again, but never waited for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from collector.capture import Delta, Owner
from collector.capture.divert.flow_counts import FlowCounts, Table
from qos.packets.flows import FlowTable

PARK_NS: Final = 3 * 10**9
GIVEN_UP_NS: Final = 60 * 10**9
MAX_PARKED: Final = 65_536

Flow = tuple[tuple[int, int, bytes, int], tuple[bytes, int]]
"""The flow table's key, and the remote address and port."""


@dataclass(slots=True)
class FlowDelta:
    """What a flow moved, as the fields of ``Delta``."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    flows: int = 0
    since_ns: int = 0

    def add(self, other: "FlowDelta") -> None:
        """Sum up; the time stays."""
        self.rx_bytes += other.rx_bytes
        self.tx_bytes += other.tx_bytes
        self.rx_packets += other.rx_packets
        self.tx_packets += other.tx_packets
        self.flows += other.flows

    def delta(self, owner: Owner | None) -> Delta:
        """As the capture protocol has it."""
        return Delta(owner, self.rx_bytes, self.tx_bytes, self.rx_packets, self.tx_packets, self.flows)


class FlowAttribution:
    """Counted flows in, deltas per owner out. ``now_ns`` is monotonic."""

    def __init__(self, table: FlowTable) -> None:
        self._table = table
        self._parked: dict[Flow, FlowDelta] = {}
        self._given_up: dict[Flow, int] = {}
        self._unattributed = FlowDelta()

    @property
    def waiting(self) -> int:
        """Flows whose owner is not known yet: a look into the socket table may help."""
        return len(self._parked)

    @property
    def given_up(self) -> int:
        """Flows that are remembered as nobody's."""
        return len(self._given_up)

    def count(self, counted: FlowCounts, now_ns: int) -> None:
        """Take in what a reader counted since the last time."""
        for (protocol, out), flows in counted.flows.items():
            for flow, moved in _moved(protocol, out, flows, now_ns):
                parked = self._parked.get(flow)
                if parked is not None:
                    parked.add(moved)
                    parked.flows = 1
                elif len(self._parked) < MAX_PARKED:
                    self._parked[flow] = moved
                else:
                    self._unattributed.add(moved)
        received, sent = counted.rest
        self._unattributed.add(FlowDelta(received[0], sent[0], received[1], sent[1]))

    def settle(self, now_ns: int, owner_of: Callable[[int], Owner]) -> Iterator[Delta]:
        """Deltas of every flow whose owner is known now, one per owner, and what is unattributed from now on.

        ``owner_of`` makes an owner of a PID.
        """
        owners: dict[int, FlowDelta] = {}
        for flow, moved in list(self._parked.items()):
            holder = self._table.owner(*flow)
            if holder is not None:
                owners.setdefault(holder.pid, FlowDelta()).add(moved)
                self._given_up.pop(flow, None)
            elif flow in self._given_up or now_ns - moved.since_ns >= PARK_NS:
                self._unattributed.add(moved)
                self._given_up.pop(flow, None)  # to the end: the order is that of time, and forgetting stops at it
                self._given_up[flow] = now_ns
            else:
                continue
            del self._parked[flow]
        for pid, moved in owners.items():
            yield moved.delta(owner_of(pid))
        if self._unattributed.rx_packets or self._unattributed.tx_packets:
            yield self._unattributed.delta(None)
            self._unattributed = FlowDelta()
        self._forget(now_ns)

    def _forget(self, now_ns: int) -> None:
        for flow, at_ns in list(self._given_up.items()):
            if now_ns - at_ns < GIVEN_UP_NS and len(self._given_up) <= MAX_PARKED:
                break  # in order of time
            del self._given_up[flow]


def _moved(protocol: int, out: bool, flows: Table, now_ns: int) -> Iterable[tuple[Flow, FlowDelta]]:
    for key, (size, packets) in flows.items():
        width = (len(key) - 4) // 2
        source, destination = (key[:width], key[-4:-2]), (key[width:-4], key[-2:])
        (local, local_port), (remote, remote_port) = (source, destination) if out else (destination, source)
        family = 4 if width == 4 else 6
        flow = (
            (protocol, family, local, int.from_bytes(local_port, "big")),
            (remote, int.from_bytes(remote_port, "big")),
        )
        yield flow, FlowDelta(0, size, 0, packets, 1, now_ns) if out else FlowDelta(size, 0, packets, 0, 1, now_ns)
