"""Classifier: the right packets through the right shaper, everybody else's straight back."""

from enforcer.qdisc.classifier import MAX_HELD_BYTES, Classifier, RateLimits
from qos.packets.packet import TCP, UDP, parse
from tests.enforcer.packets import FIN, raw, tcp, udp

S = 10**9
MS = 10**6


def made_with(**rates: RateLimits) -> Classifier:
    made = Classifier()
    made.set_rates(0, rates)
    made.set_owners(0, {(TCP, 1000): "bulk", (UDP, 1000): "bulk", (TCP, 2000): "call"})
    return made


def test_everybody_elses_packets_come_straight_back_in_order() -> None:
    made = made_with(bulk=RateLimits(64_000, 64_000))
    packets = [raw(tcp(2000, i), 0) for i in range(50)] + [raw(b"\x00junk", 0), raw(b"", 0)]
    assert made.take(0, packets) == packets
    assert made.foreign == len(packets)


def test_a_limited_application_is_held_in_both_protocols_and_only_in_the_limited_direction() -> None:
    made = made_with(bulk=RateLimits(down_bps=64_000))
    down = [raw(tcp(1000, version=v), 0) for v in (4, 6) for _ in range(10)] + [raw(udp(1000), 0)] * 5
    assert len(made.take(0, down)) < 6
    up = [raw(tcp(1000, outbound=True), 0, outbound=True)] * 20
    assert made.take(0, up) == up
    assert made.next_at(0) is not None


def test_lifting_a_limit_gives_back_what_waits_in_order() -> None:
    made = made_with(bulk=RateLimits(64_000, None))
    packets = [raw(tcp(1000, i), 0) for i in range(1, 40)]
    first = made.take(0, packets)
    rest = made.set_rates(0, {})
    assert first + rest == packets
    assert made.next_at(0) is None
    assert made.take(0, packets) == packets


def test_one_direction_lifted_leaves_the_other() -> None:
    made = made_with(bulk=RateLimits(64_000, 64_000))
    made.take(0, [raw(tcp(1000), 0)] * 20)
    assert made.set_rates(0, {"bulk": RateLimits(None, 64_000)})
    assert set(made.stats(0)["bulk"]) == {"up"}


def test_a_flow_adopted_between_two_rounds_is_held_at_once() -> None:
    made = made_with(bulk=RateLimits(64_000, None))
    made.adopt(0, TCP, 3000, "bulk")
    assert len(made.take(0, [raw(tcp(3000), 0)] * 20)) < 5
    made.adopt(0, TCP, 4000, "call")
    assert len(made.take(0, [raw(tcp(4000), 0)] * 20)) == 20


def test_marked_packets_leave_with_the_mark() -> None:
    made, marked = made_with(bulk=RateLimits(2_000_000, None)), 0
    for ms in range(0, 3000, 5):
        for packet in made.take(ms * MS, [raw(tcp(1000, 1448, ecn=2), ms * MS)]):
            headers = parse(packet.data)
            assert headers is not None
            marked += headers.ecn == 3
    assert marked > 0
    assert marked == made.stats(3 * S)["bulk"]["down"].counts.marked


def test_a_fin_does_not_overtake_its_flow() -> None:
    made = made_with(bulk=RateLimits(64_000, None))
    made.take(0, [raw(tcp(1000), 0)] * 20)
    assert made.take(0, [raw(tcp(1000, 0, flags=FIN), 0)]) == []
    assert made.drain()[-1].data == tcp(1000, 0, flags=FIN)


def test_memory_is_bounded_over_all_classes() -> None:
    made = Classifier()
    made.set_rates(0, {str(i): RateLimits(1_000_000_000, None) for i in range(20)})
    made.set_owners(0, {(UDP, 1000 + i): str(i) for i in range(20)})
    for i in range(20):
        made.take(0, [raw(udp(1000 + i, 60_000), 0)] * 100)
    held = sum(side["down"].backlog_bytes for side in made.stats(0).values())
    assert held <= MAX_HELD_BYTES + 20 * 61_000


def test_the_longest_wait_counts_packets_that_wait_still() -> None:
    made = made_with(bulk=RateLimits(64_000, None))
    made.take(0, [raw(tcp(1000), 0)] * 10)
    assert made.stats(100 * MS)["bulk"]["down"].worst_wait_ns == 100 * MS


def test_what_passed_before_anybody_knew_whose_it_is_gets_charged() -> None:
    made = made_with(bulk=RateLimits(800_000, None))
    early = [raw(tcp(3000, 1460), 0)] * 20
    assert made.take(0, early) == early
    made.adopt(0, TCP, 3000, "bulk")
    assert made.take(0, [raw(tcp(3000, 1460), 0)]) == []
    then = made.next_at(0)
    assert then is not None
    assert 250 * MS < then < 310 * MS  # 30,000 bytes less the burst, at 100,000 bytes a second
    assert made.take(0, [raw(tcp(4000, 1460), 0)] * 20)
    made.set_owners(0, {(TCP, 3000): "bulk", (TCP, 4000): "call"})
    assert made.next_at(0) == then


def test_what_nobody_has_claimed_yet_is_not_yet_somebody_elses() -> None:
    made = made_with(bulk=RateLimits(800_000, None))
    made.take(0, [raw(tcp(3000, 1460), 0)] * 100)
    assert made.foreign == 0
    made.take(0, [raw(tcp(2000, 1460), 0)] * 10)
    assert made.foreign == 10
    made.take(0, [raw(tcp(3000, 1460), 0)] * 3000)
    assert made.foreign > 10


def test_a_long_unknown_past_is_forgiven_beyond_two_seconds() -> None:
    made = made_with(bulk=RateLimits(800_000, None))
    made.take(0, [raw(tcp(3000, 1460), 0)] * 5000)
    made.adopt(0, TCP, 3000, "bulk")
    made.take(0, [raw(tcp(3000, 1460), 0)])
    then = made.next_at(0)
    assert then is not None
    assert then <= 2 * S + MS
