"""What was measured, judged anew by the detector of today: the same code as in the collector, over the store's rows.

For what was measured before there was a detector, by an older one, or before ``link:`` was set. The waits in AutoQoS's
own queue and who suffered are not stored a second at a time, so ``own_limit`` and ``suffered`` are not found again.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Final

from collector.lag.detector import Incident, LagDetector
from collector.lag.evidence import row
from collector.lag.most_seen import MostSeen
from collector.lag.samples import DIRECTIONS, Direction, KnownCapacity, LagTick, Rates, RoundTrip
from collector.lag_watch import GATEWAY, STALL
from console.views.lag.incidents import StoredIncident, from_point
from qos.contract.config import Config
from qos.store import Columns, Reader

S: Final = 10**9
CHUNK_NS: Final = 1800 * S
GAP_NS: Final = 60 * S
GAP: Final = "nothing was measured for a while"

Sent = tuple[int, str, int | None]
"""When, to whom, and the round trip (None: no answer)."""


class _Probes:
    """What was sent, in that order: ``coming`` after the last tick, and under way at it."""

    def __init__(self, timeout_ns: int) -> None:
        self.coming: deque[Sent] = deque()
        self._timeout_ns = timeout_ns
        self._under_way: list[Sent] = []

    def until(self, now_ns: int) -> tuple[RoundTrip, ...]:
        """What was answered or given up since the last call, or is on its way now."""
        while self.coming and self.coming[0][0] <= now_ns:
            self._under_way.append(self.coming.popleft())
        trips, left = [], []
        for at_ns, target, rtt_ns in self._under_way:
            pending = at_ns + (self._timeout_ns if rtt_ns is None else rtt_ns) > now_ns
            if pending:
                left.append((at_ns, target, rtt_ns))
            trips.append(RoundTrip(target, at_ns, now_ns - at_ns if pending else rtt_ns, target == GATEWAY, pending))
        self._under_way = left
        return tuple(trips)


def judge_again(store: Reader, config: Config, start_ns: int, stop_ns: int) -> list[StoredIncident]:
    """The incidents of the period (UTC ns), the oldest first; those that go on at its end are running."""
    found: dict[int, Incident] = {}
    for incident in _incidents(store, config, start_ns, stop_ns):
        found[incident.onset_ns] = incident
    return [from_point(row(incident, config.host, onset_ns)) for onset_ns, incident in sorted(found.items())]


def _incidents(store: Reader, config: Config, start_ns: int, stop_ns: int) -> Iterator[Incident]:
    detector, most, last_ns = LagDetector(), MostSeen(), 0
    probes = _Probes(config.collector.probe_timeout)
    for begin_ns in range(start_ns, stop_ns, CHUNK_NS):
        upto_ns = min(stop_ns, begin_ns + CHUNK_NS)
        apps = _rates_by_app(store, begin_ns, upto_ns)
        probes.coming.extend(_sent(store, begin_ns, upto_ns))
        for now_ns, (host, rest) in _totals(store, begin_ns, upto_ns).items():
            if now_ns - last_ns > GAP_NS:
                yield from detector.interrupt(last_ns, GAP) if last_ns else ()
                last_ns = now_ns - config.interval
            elapsed_ns, last_ns = now_ns - last_ns, now_ns
            passed = _rates(host, elapsed_ns)
            yield from detector.feed(
                LagTick(
                    now_ns,
                    elapsed_ns,
                    probes.until(now_ns),
                    {app: _rates(moved, elapsed_ns) for app, moved in apps.get(now_ns, {}).items()},
                    passed,
                    _rates(rest, elapsed_ns),
                    most.fill(_set(config)),
                    stalled=elapsed_ns > STALL * config.interval,
                )
            )
            most.keep(passed)


def _rates(moved: tuple[int, int], elapsed_ns: int) -> Rates:
    return Rates(*(8 * size * S // elapsed_ns for size in moved))


def _set(config: Config) -> Mapping[Direction, KnownCapacity]:
    known = {way: config.link.down if way == "down" else config.link.up for way in DIRECTIONS}
    return {way: KnownCapacity(bps, "set") for way, bps in known.items() if bps}


def _sent(store: Reader, start_ns: int, stop_ns: int) -> list[Sent]:
    columns = store.read("probe", ["rtt_ms", "sent"], start_ns=start_ns, stop_ns=stop_ns)
    rows = zip(columns["time_ns"], columns["target"], columns["rtt_ms"], columns["sent"], strict=True)
    return sorted((int(at), str(to), None if ms is None else int(ms * 1e6)) for at, to, ms, sent in rows if sent)


def _rates_by_app(store: Reader, start_ns: int, stop_ns: int) -> dict[int, dict[str, tuple[int, int]]]:
    columns = store.read("app_traffic", ["rx_bytes", "tx_bytes"], start_ns=start_ns, stop_ns=stop_ns)
    found: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for at_ns, app, moved in zip(
        columns["time_ns"], columns["app"], _moved(columns, "rx_bytes", "tx_bytes"), strict=True
    ):
        found[int(at_ns)][str(app)] = moved
    return found


def _totals(store: Reader, start_ns: int, stop_ns: int) -> dict[int, tuple[tuple[int, int], tuple[int, int]]]:
    """By tick: what passed the interfaces, and what of it nobody could be named for."""
    unnamed = ("unattributed_rx_bytes", "unattributed_tx_bytes")
    columns = store.read("host_traffic", ["rx_bytes", "tx_bytes", *unnamed], start_ns=start_ns, stop_ns=stop_ns)
    found: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {}
    host, rest = _moved(columns, "rx_bytes", "tx_bytes"), _moved(columns, *unnamed)
    for at_ns, moved, unowned in zip(columns["time_ns"], host, rest, strict=True):
        before = found.get(int(at_ns), ((0, 0), (0, 0)))
        found[int(at_ns)] = (_plus(before[0], moved), _plus(before[1], unowned))
    return dict(sorted(found.items()))


def _moved(columns: Columns, received: str, sent: str) -> Iterator[tuple[int, int]]:
    return ((int(rx or 0), int(tx or 0)) for rx, tx in zip(columns[received], columns[sent], strict=True))


def _plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return a[0] + b[0], a[1] + b[1]
