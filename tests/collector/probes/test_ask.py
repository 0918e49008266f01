from collector.probes.ask import AGAIN_NS, Asker
from qos.system.echo import EchoReply
from tests.fakes import FakeClock

MS = 10**6


class Network:
    def __init__(self, icmp: EchoReply, tcp: dict[int, EchoReply]) -> None:
        self.icmp, self.tcp = icmp, tcp
        self.echoes = 0

    def echo(self, address: str, timeout_ns: int, seq: int) -> EchoReply:
        self.echoes += 1
        return self.icmp

    def handshake(self, address: str, timeout_ns: int, port: int) -> EchoReply:
        return self.tcp.get(port, EchoReply(None, "timeout", "tcp"))


def test_echoes_are_asked_for_where_they_are_allowed() -> None:
    network, clock = Network(EchoReply(5 * MS), {}), FakeClock()
    asker = Asker(network.echo, network.handshake, clock)
    assert asker("192.0.2.1", MS, 1) == EchoReply(5 * MS)
    network.icmp = EchoReply(None, "timeout")
    assert asker("192.0.2.1", MS, 2).reason == "timeout"  # silence is an outcome, no reason for another way


def test_without_the_right_a_handshake_is_timed_and_the_right_is_tried_again_later() -> None:
    network, clock = Network(EchoReply(None, "no permission"), {443: EchoReply(7 * MS, "", "tcp")}), FakeClock()
    asker = Asker(network.echo, network.handshake, clock)
    for seq in range(5):
        assert asker("192.0.2.1", MS, seq) == EchoReply(7 * MS, "", "tcp")
    assert network.echoes == 1
    clock.advance(AGAIN_NS)
    network.icmp = EchoReply(5 * MS)
    assert asker("192.0.2.1", MS, 6).kind == "icmp"


def test_a_port_that_never_answers_gives_way_to_the_next_one() -> None:
    network, clock = Network(EchoReply(None, "no permission"), {53: EchoReply(3 * MS, "", "tcp")}), FakeClock()
    asker = Asker(network.echo, network.handshake, clock)
    assert asker("192.0.2.1", MS, 1).reason == "timeout"
    assert asker("192.0.2.1", MS, 2).rtt_ns == 3 * MS


def test_what_could_not_be_sent_is_told_from_what_was_lost() -> None:
    assert not EchoReply(None, "no permission").sent
    assert EchoReply(None, "timeout").sent
    assert EchoReply(None, "unreachable").sent  # no network is an outage
