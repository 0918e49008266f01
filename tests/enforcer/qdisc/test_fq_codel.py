"""FQ-CoDel's overflow: the fattest flows pay, and one search makes room for several packets."""

from collections.abc import Hashable

from enforcer.qdisc.fq_codel import FqCodel
from enforcer.qdisc.queued_packet import QueuedPacket


def packet(flow: Hashable, size: int = 1500) -> QueuedPacket:
    return QueuedPacket(flow, size, 0)


def test_with_a_thousand_flows_one_overflow_makes_room_for_many_packets() -> None:
    queues, limit = FqCodel(), 2_000 * 1500
    for number in range(2_000):
        assert queues.push(packet(number % 1_000), limit) == ()
    dropped = queues.push(packet("one more"), limit)
    assert 32 <= len(dropped) <= 64
    assert len({lost.flow for lost in dropped}) == len(dropped), "one packet of each"
    for number in range(len(dropped) - 1):
        assert queues.push(packet(number), limit) == ()


def test_a_few_flows_lose_no_more_than_must_be() -> None:
    queues = FqCodel()
    for _ in range(9):
        queues.push(packet("fat"), 15_000)
    queues.push(packet("thin"), 15_000)
    dropped = queues.push(packet("thin"), 15_000)
    assert [lost.flow for lost in dropped] == ["fat"]


def test_every_flow_keeps_one_packet_however_small_the_room() -> None:
    queues = FqCodel()
    for number in range(100):
        queues.push(packet(number, 60_000), 1_000)
    assert queues.backlog_packets == 100
