"""The shaper: its invariants as properties, and the boundary cases by hand."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.qdisc.queued_packet import PacketKind, QueuedPacket
from enforcer.qdisc.shaper import TICK_NS, Shaper, limit_bytes
from enforcer.qdisc.token_bucket import burst_bytes

S = 10**9
MS = 10**6


class Source:
    """Makes packets that can be told apart."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(
        self, now_ns: int, size: int = 1500, flow: Any = "f", kind: PacketKind = PacketKind.DATA, ecn: bool = False
    ) -> QueuedPacket:
        self.made += 1
        return QueuedPacket(flow, size, now_ns, kind, ecn, False, self.made)


kinds = st.sampled_from([PacketKind.DATA] * 6 + [PacketKind.CONTROL, PacketKind.EXEMPT])
arrivals = st.lists(
    st.tuples(
        st.integers(0, 200 * MS),  # pause before
        st.one_of(st.integers(40, 1500), st.just(1500), st.integers(1501, 65_575)),
        st.integers(0, 5),  # flow
        kinds,
        st.booleans(),
    ),
    min_size=1,
    max_size=120,
)
rates = st.one_of(st.integers(64_000, 2_000_000), st.integers(64_000, 10**9))


@settings(deadline=None, max_examples=150)
@given(rate=rates, inbound=st.booleans(), arrivals=arrivals, rerate=st.one_of(st.none(), rates))
def test_the_invariants_hold_for_any_traffic(
    rate: int, inbound: bool, arrivals: list[tuple[int, int, int, PacketKind, bool]], rerate: int | None
) -> None:
    shaper, source, now = Shaper(0, rate, inbound=inbound), Source(), 0
    submitted: list[QueuedPacket] = []
    out: list[tuple[int, QueuedPacket]] = []
    highest = rate

    def catch_up(until: int) -> None:
        nonlocal now
        while (then := shaper.next_at(now)) is not None and then <= until:
            assert then >= now
            now = then
            before = shaper.counts
            gone = shaper.release(now)
            dropped = shaper.counts.dropped - before.dropped
            assert gone or dropped, "a wake-up that did nothing"
            out.extend((now, packet) for packet in gone)
        now = until

    for index, (pause, size, flow, kind, ecn) in enumerate(arrivals):
        catch_up(now + pause)
        # A flow is data or exempt, never both: what is exempt is decided by its ports.
        key = ("exempt", flow) if kind is PacketKind.EXEMPT else flow
        packet = source(now, 52 if kind is PacketKind.CONTROL else size, key, kind, ecn)
        submitted.append(packet)
        shaper.submit(now, packet)
        if rerate is not None and index == len(arrivals) // 2:
            shaper.set_rate(now, rerate)
            highest = max(rate, rerate)
    catch_up(now + 10_000 * S)

    # Every packet leaves once or is counted as dropped.
    left = Counter(packet.raw for _, packet in out)
    assert set(left.values()) <= {1}
    assert len(left) + shaper.counts.dropped == len(submitted)
    assert shaper.counts.released == len(left)
    assert shaper.backlog_packets == 0
    assert shaper.backlog_bytes == 0
    # Order is kept within a flow.
    per_flow = defaultdict(list)
    for _, packet in out:
        per_flow[packet.flow].append(packet.raw)
    assert all(numbers == sorted(numbers) for numbers in per_flow.values())
    # Exempt packets are never dropped and never wait.
    arrived = {packet.raw: packet.arrived_ns for packet in submitted}
    exempt = [(then, packet) for then, packet in out if packet.kind is PacketKind.EXEMPT]
    assert all(then == arrived[packet.raw] for then, packet in exempt)
    assert len(exempt) == sum(packet.kind is PacketKind.EXEMPT for packet in submitted)
    # Data never exceeds rate·t + burst + one packet, over any stretch of time.
    data = [(then, packet.size_bytes) for then, packet in out if packet.kind is PacketKind.DATA]
    burst = burst_bytes(highest, TICK_NS)
    for first in range(len(data)):
        total = 0
        for then, size in data[first:]:
            assert total * 8 * S <= highest * (then - data[first][0]) + burst * 8 * S
            total += size


def drive(
    shaper: Shaper, start: int, stop: int, offered_bps: int, *, size: int = 1500, flow: str = "f"
) -> list[tuple[int, QueuedPacket]]:
    """Constant traffic of one flow, served at every due time."""
    source, now = Source(), start
    out: list[tuple[int, QueuedPacket]] = []
    gap = size * 8 * S // offered_bps
    coming = start
    while now < stop:
        due = shaper.next_at(now)
        now = min(coming, stop) if due is None else min(max(due, now), coming, stop)
        if now == coming:
            shaper.submit(now, source(now, size, flow))
            coming += gap
        out.extend((now, packet) for packet in shaper.release(now))
    return out


def test_the_whole_rate_is_used_when_there_is_more_than_enough() -> None:
    for rate in (1_000_000, 5_000_000, 20_000_000, 100_000_000):
        shaper = Shaper(0, rate, inbound=False)
        out = drive(shaper, 0, 3 * S, 2 * rate)
        achieved = sum(packet.size_bytes for _, packet in out) * 8 / 3
        assert 0.99 * rate <= achieved <= 1.02 * rate


def test_an_unresponsive_inbound_flood_keeps_at_least_31_of_32_parts_of_its_rate() -> None:
    shaper = Shaper(0, 5_000_000, inbound=True)
    out = drive(shaper, 0, 5 * S, 15_000_000)
    achieved = sum(packet.size_bytes for _, packet in out) * 8 / 5
    assert 0.96 * 5_000_000 <= achieved <= 1.02 * 5_000_000
    assert shaper.counts.dropped > 0


def test_a_queue_that_stands_is_brought_to_the_target() -> None:
    shaper = Shaper(0, 20_000_000, inbound=True)
    out = drive(shaper, 0, 8 * S, 21_000_000)
    late = [then - packet.arrived_ns for then, packet in out if then > 6 * S]
    assert max(late) < 60 * MS


def test_a_thin_flow_does_not_wait_behind_a_fat_one() -> None:
    shaper, source = Shaper(0, 1_000_000, inbound=True), Source()
    for _ in range(30):
        shaper.submit(0, source(0, flow="fat"))
    shaper.release(0)
    shaper.submit(MS, source(MS, 200, "thin"))
    now = shaper.next_at(MS)
    assert now is not None
    assert [packet.flow for packet in shaper.release(now)][:1] == ["thin"]


def test_a_fin_stays_behind_its_own_flows_data_and_passes_everybody_elses() -> None:
    shaper, source = Shaper(0, 64_000, inbound=False), Source()
    for _ in range(5):
        shaper.submit(0, source(0, flow="a"))
    shaper.release(0)
    shaper.submit(0, source(0, 52, "a", PacketKind.CONTROL))
    shaper.submit(0, source(0, 52, "b", PacketKind.CONTROL))
    assert [packet.flow for packet in shaper.release(0)] == ["b"]


def test_acknowledgements_do_not_starve_data() -> None:
    shaper, source = Shaper(0, 1_000_000, inbound=False), Source()
    sent = 0
    for ms in range(5_000):
        for _ in range(10):  # 52 bytes × 10,000 a second: 4 Mbit/s of acknowledgements alone
            shaper.submit(ms * MS, source(ms * MS, 52, "acks", PacketKind.CONTROL))
        shaper.submit(ms * MS, source(ms * MS, 500, "data"))
        sent += sum(p.size_bytes for p in shaper.release(ms * MS) if p.kind is PacketKind.DATA)
    assert sent * 8 / 5 >= 480_000


def test_capable_packets_are_marked_where_others_are_dropped() -> None:
    for ecn in (False, True):
        shaper, source = Shaper(0, 5_000_000, inbound=True), Source()
        out: list[QueuedPacket] = []
        for ms in range(0, 2_000, 2):
            shaper.submit(ms * MS, source(ms * MS, ecn=ecn))
            out += shaper.release(ms * MS)
        assert (shaper.counts.marked > 0) is ecn
        assert sum(packet.marked for packet in out) == shaper.counts.marked
        if ecn:
            assert shaper.counts.dropped == 0


def test_the_queue_is_bounded_in_bytes_and_the_fattest_flow_pays() -> None:
    shaper, source = Shaper(0, 1_000_000, inbound=True), Source()
    shaper.submit(0, source(0, flow="thin"))
    for _ in range(200):
        shaper.submit(0, source(0, flow="fat"))
    assert shaper.backlog_bytes <= limit_bytes(1_000_000)
    assert shaper.counts.dropped == 201 - shaper.backlog_packets
    assert "thin" in {packet.flow for packet in shaper.drain()}


def test_packets_kept_over_a_sleep_are_discarded_not_replayed() -> None:
    shaper, source = Shaper(0, 10_000_000, inbound=True), Source()
    for _ in range(100):
        shaper.submit(0, source(0))
    first = len(shaper.release(0))
    assert len(shaper.release(3600 * S)) == 0
    assert shaper.counts.dropped == 100 - first


def test_a_lone_packet_larger_than_the_queue_passes() -> None:
    shaper, source = Shaper(0, 64_000, inbound=True), Source()
    shaper.submit(0, source(0, 65_575))
    assert len(shaper.release(0)) == 1
    shaper.submit(0, source(0, 65_575))
    assert shaper.release(0) == []
    then = shaper.next_at(0)
    assert then is not None
    assert len(shaper.release(then)) == 1


def test_a_new_rate_holds_from_the_next_packet_on() -> None:
    shaper = Shaper(0, 20_000_000, inbound=True)
    drive(shaper, 0, S, 25_000_000)
    shaper.set_rate(S, 2_000_000)
    out = drive(shaper, S, 4 * S, 25_000_000)
    achieved = sum(packet.size_bytes for then, packet in out if then > S + S // 2) * 8 / 2.5
    assert achieved <= 1.03 * 2_000_000


def test_draining_gives_everything_back_in_order() -> None:
    shaper, source = Shaper(0, 64_000, inbound=False), Source()
    for i in range(20):
        shaper.submit(0, source(0, flow=i % 3))
    out = [*shaper.release(0), *shaper.drain()]
    assert shaper.next_at(0) is None
    assert len(out) == 20
    for flow in range(3):
        numbers = [packet.raw for packet in out if packet.flow == flow]
        assert numbers == sorted(numbers)
