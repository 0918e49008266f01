"""The engine with a port of our own: what is taken is sent, in order, and every failure lets go."""

import time
from collections.abc import Sequence

import pytest

from enforcer.datapath.engine import Engine
from enforcer.qdisc.classifier import Classifier, RateLimits
from qos.packets.divert import RawPacket
from qos.packets.packet import TCP
from qos.system.clock import SYSTEM, monotonic_ns
from tests.enforcer.packets import raw, tcp
from tests.enforcer.ports import FakePort, until

S = 10**9


def engine(port: FakePort, **options: int) -> Engine:
    made = Engine(port, Classifier(), SYSTEM, max_packet_rate=options.get("max_packet_rate", 100_000))
    made.start()
    made.update({"bulk": RateLimits(1_000_000, None)}, {(TCP, 1000): "bulk"})
    return made


def now(data: bytes, *, age_ns: int = 0) -> RawPacket:
    return raw(data, monotonic_ns() - age_ns)


def test_others_packets_pass_at_once_and_limited_ones_at_their_rate() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")
    port.receivers["f"].give(*(now(tcp(2000, i)) for i in range(20)))
    until(lambda: len(port.sent) == 20)
    port.receivers["f"].give(*(now(tcp(1000, 1460)) for _ in range(9)))
    until(lambda: len(port.sent) == 29)
    made.stop()
    assert made.failed is None
    assert port.log[-1] == "close sender"


def test_stopping_sends_everything_that_waits_in_order_before_the_handles_are_closed() -> None:
    port = FakePort()
    made = engine(port)
    made.update({"bulk": RateLimits(64_000, None)})
    made.divert("tcp", "f")
    packets = [now(tcp(1000, 100 + i)) for i in range(60)]
    port.receivers["f"].give(*packets)
    made.stop()
    assert port.sent == packets
    assert port.log == ["open sender", "open f", "shut f", "close f", "close sender"]


def test_a_swap_opens_the_new_filter_before_it_ends_the_old_one_and_keeps_the_order() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "old")
    first, second = [now(tcp(2000, i)) for i in range(50)], [now(tcp(2000, 100 + i)) for i in range(50)]
    port.receivers["old"].give(*first)
    made.divert("tcp", "new")
    port.receivers["new"].give(*second)
    until(lambda: len(port.sent) == 100)
    assert port.sent == first + second
    assert port.log == ["open sender", "open old", "open new", "shut old", "close old"]
    made.divert("tcp", "new")
    assert port.log[-1] == "close old"
    made.stop()


def test_a_filter_that_cannot_be_opened_leaves_the_old_one_in_force() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "old")
    with pytest.raises(OSError, match="no"):
        made.divert("tcp", "refused")
    port.receivers["old"].give(now(tcp(2000)))
    until(lambda: port.sent)
    made.stop()


def test_an_exception_in_a_pump_lets_everything_go() -> None:
    port = FakePort()
    made = engine(port)
    made.update({"bulk": RateLimits(64_000, None)})
    made.divert("tcp", "f")
    packets = [now(tcp(1000, 100 + i)) for i in range(30)]
    port.receivers["f"].give(*packets)
    port.receivers["f"].queue.put(RuntimeError("injected"))
    port.receivers["f"].give(now(tcp(2000)))
    until(lambda: "close sender" in port.log)
    assert made.failed is not None
    assert "injected" in made.failed
    assert len(port.sent) == 31
    made.stop()
    assert port.log.count("close f") == 1


def test_a_stuck_pump_is_noticed_and_the_handles_are_closed() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")
    port.stick = True
    port.receivers["f"].give(now(tcp(2000)))
    try:
        until(lambda: "close f" in port.log)
        assert made.failed is not None
        assert "stuck" in made.failed
    finally:
        port.stuck.set()
    made.stop()


def test_packets_that_the_system_refuses_to_take_back_are_counted_and_too_many_end_it() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")
    port.refuse = True
    port.receivers["f"].give(*(now(tcp(2000)) for _ in range(200)))
    until(lambda: made.failed is not None)
    assert made.failed is not None
    assert "refused to take back" in made.failed
    made.stop()


def test_a_few_refused_packets_are_shown_and_end_nothing() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")
    port.refuse = True
    port.receivers["f"].give(*(now(tcp(2000)) for _ in range(3)))
    until(lambda: made.health.refused == 3)
    port.refuse = False
    assert made.failed is None
    made.stop()


def test_letting_go_of_stuck_pumps_takes_less_than_the_guards_patience() -> None:
    port = FakePort()
    beats: list[int] = []
    made = Engine(port, Classifier(), SYSTEM, max_packet_rate=None, beat=lambda: beats.append(monotonic_ns()))
    made.start()
    port.stick = True
    for name in ("tcp", "udp", "more", "still more"):
        made.divert(name, name)
        port.receivers[name].give(now(tcp(2000)))
    time.sleep(0.1)
    begun = monotonic_ns()
    made.stop()
    took = monotonic_ns() - begun
    port.stuck.set()
    assert beats[-1] >= begun, "a sign of life first"
    assert took < 1.2 * S, f"{took / S:.2f} s: the watchdog would have killed us"


def test_packets_that_grow_old_in_the_systems_queue_end_it() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")

    def late() -> bool:
        port.receivers["f"].give(now(tcp(2000), age_ns=300_000_000))
        return made.failed is not None

    until(late)
    assert made.failed is not None
    assert "in the system's queue" in made.failed
    made.stop()


def test_a_single_late_batch_is_no_reason_to_let_go() -> None:
    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")
    port.receivers["f"].give(now(tcp(2000), age_ns=900_000_000))
    until(lambda: port.sent)
    port.receivers["f"].give(now(tcp(2000)))
    time.sleep(1.4)
    assert made.failed is None
    made.stop()


def test_too_many_packets_end_it_and_a_full_queue_does_too() -> None:
    port = FakePort()
    made = engine(port, max_packet_rate=100)
    made.divert("tcp", "f")

    def flood() -> bool:
        port.receivers["f"].give(*(now(tcp(2000)) for _ in range(50)))
        return made.failed is not None

    until(flood)
    assert made.failed is not None
    assert "too many packets" in made.failed
    made.stop()

    port = FakePort()
    made = engine(port)
    made.divert("tcp", "f")

    def overflow() -> bool:
        port.receivers["f"].lost_packets += 10
        return made.failed is not None

    until(overflow)
    assert made.failed is not None
    assert "overflows" in made.failed
    made.stop()


def test_after_letting_go_nothing_is_opened_again() -> None:
    port = FakePort()
    made = engine(port)
    made.stop()
    made.divert("tcp", "f")
    made.update({"bulk": RateLimits(1, None)})
    made.stop()
    assert port.log == ["open sender", "close sender"]


def test_without_a_set_bound_it_ends_when_the_machine_cannot_keep_up_and_says_what_to_do() -> None:
    class Slow(FakePort):
        def send(self, packets: Sequence[RawPacket]) -> int:
            time.sleep(0.004)
            return super().send(packets)

    port = Slow()
    made = Engine(port, Classifier(), SYSTEM, max_packet_rate=None)
    made.start()
    made.divert("tcp", "f")

    def flood() -> bool:
        if port.receivers["f"].queue.qsize() < 50:
            port.receivers["f"].give(*(now(tcp(2000)) for _ in range(50)))
        return made.failed is not None

    until(flood)
    assert made.failed is not None
    assert "this machine can shape" in made.failed
    made.stop()
