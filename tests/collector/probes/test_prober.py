import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from collector.probes.prober import MAX_IN_FLIGHT, MIN_INTERVAL_NS, Prober
from collector.probes.result import ProbeResult
from qos.system.echo import EchoReply, echo, is_address

MS = 10**6
S = 10**9
PATIENCE_S = 20


class FakeNetwork:
    """Answers to ``ask`` and ``look_up``; a hanging target answers only when released."""

    def __init__(self) -> None:
        self.answers: dict[str, EchoReply] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self.hanging: set[str] = set()
        self.release = threading.Event()
        self.asked: Counter[str] = Counter()
        self.looked_up: Counter[str] = Counter()

    def ask(self, address: str, timeout_ns: int, seq: int) -> EchoReply:
        self.asked[address] += 1
        if address in self.hanging:
            self.release.wait(60)
            return EchoReply(None, "timeout")
        return self.answers.get(address, EchoReply(5 * MS))

    def look_up(self, name: str) -> tuple[str, ...]:
        self.looked_up[name] += 1
        if name in self.hanging and not is_address(name):
            self.release.wait(60)
        return self.names.get(name, () if name.endswith(".invalid") else (name,))


@pytest.fixture
def network() -> Iterator[FakeNetwork]:
    found = FakeNetwork()
    yield found
    found.release.set()


@contextmanager
def probing(network: FakeNetwork, *targets: str, timeout_ns: int = 100 * MS) -> Iterator[Prober]:
    prober = Prober(
        targets,
        interval_ns=MIN_INTERVAL_NS,
        timeout_ns=timeout_ns,
        window_ns=60 * S,
        ask=network.ask,
        look_up=network.look_up,
    )
    prober.start()
    try:
        yield prober
    finally:
        prober.stop()


def until(prober: Prober, enough: Callable[[list[ProbeResult]], bool]) -> list[ProbeResult]:
    """Collect until there is enough, with much patience for a busy machine."""
    found: list[ProbeResult] = []
    deadline = time.monotonic() + PATIENCE_S
    while not enough(found):
        assert time.monotonic() < deadline, found[-5:]
        time.sleep(0.02)
        found += prober.collect()
    return found


def of(target: str, found: list[ProbeResult]) -> list[ProbeResult]:
    return [o for o in found if o.target == target]


def test_every_target_is_asked_each_interval_and_answers_become_outcomes(network: FakeNetwork) -> None:
    with probing(network, "1.1.1.1", "::2") as prober:
        found = until(prober, lambda f: min(len(of("1.1.1.1", f)), len(of("::2", f))) >= 3)
    assert {(o.rtt_ns, o.reason, o.loss_ratio) for o in found} == {(5 * MS, "", 0.0)}
    assert {o.jitter_ms for o in found} == {None, 0.0}


def test_a_target_that_never_answers_has_an_outcome_each_interval_and_holds_nobody_up(network: FakeNetwork) -> None:
    network.hanging = {"9.9.9.9"}
    with probing(network, "9.9.9.9", "1.1.1.1") as prober:
        found = until(prober, lambda f: min(len(of("9.9.9.9", f)), len(of("1.1.1.1", f))) >= 6)
        assert network.asked["9.9.9.9"] <= MAX_IN_FLIGHT  # its probes in flight are bounded
    assert {(o.rtt_ns, o.reason) for o in of("9.9.9.9", found)} == {(None, "timeout")}
    assert {o.rtt_ns for o in of("1.1.1.1", found)} == {5 * MS}
    assert of("9.9.9.9", found)[-1].loss_ratio == 1.0


def test_collecting_never_waits(network: FakeNetwork) -> None:
    network.hanging = {"9.9.9.9"}
    with probing(network, "9.9.9.9") as prober:
        deadline = time.monotonic() + PATIENCE_S
        while not network.asked["9.9.9.9"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert prober.collect() is not None  # returned although a probe hangs


def test_a_name_that_does_not_exist_is_an_outcome(network: FakeNetwork) -> None:
    with probing(network, "gone.invalid") as prober:
        found = until(prober, lambda f: len(f) >= 2)
    assert {(o.rtt_ns, o.reason) for o in found} == {(None, "no such name")}


def test_a_name_that_resolves_for_ever_is_no_such_name_meanwhile(network: FakeNetwork) -> None:
    network.hanging = {"slow.example"}
    with probing(network, "slow.example") as prober:
        found = until(prober, lambda f: len(f) >= 3)
    assert {o.reason for o in found} == {"no such name"}
    assert network.looked_up["slow.example"] == 1


def test_a_name_is_resolved_once_while_it_answers(network: FakeNetwork) -> None:
    network.names = {"dns.example": ("8.8.8.8",)}
    with probing(network, "dns.example") as prober:
        until(prober, lambda f: len(f) >= 5)
    assert network.looked_up["dns.example"] <= 2  # two of the first probes may overlap


def test_after_a_failure_a_name_is_resolved_again_and_its_next_address_tried(network: FakeNetwork) -> None:
    network.names = {"dns.example": ("2001:db8::8", "8.8.8.8")}
    network.answers = {"2001:db8::8": EchoReply(None, "unreachable")}
    with probing(network, "dns.example") as prober:
        found = until(prober, lambda f: any(o.rtt_ns for o in f))
    assert found[0].reason == "unreachable"
    assert network.looked_up["dns.example"] >= 2


def test_an_old_address_is_used_while_the_resolver_is_down(network: FakeNetwork) -> None:
    network.names = {"dns.example": ("8.8.8.8",)}
    with probing(network, "dns.example") as prober:
        until(prober, lambda f: any(o.rtt_ns for o in f))
        network.answers = {"8.8.8.8": EchoReply(None, "timeout")}
        network.names = {"dns.example": ()}
        until(prober, lambda f: any(o.reason == "timeout" for o in f))
        network.answers = {}
        until(prober, lambda f: any(o.rtt_ns for o in f))


def test_a_probe_that_breaks_is_an_outcome(network: FakeNetwork) -> None:
    def broken(address: str, timeout_ns: int, seq: int) -> EchoReply:
        raise RuntimeError(address)

    prober = Prober(["1.1.1.1"], interval_ns=S, timeout_ns=S, window_ns=60 * S, ask=broken)
    prober.start()
    assert until(prober, bool)[0].reason == "error"
    prober.stop()


def test_no_target_is_asked_more_often_than_ten_times_a_second(network: FakeNetwork) -> None:
    prober = Prober(["1.1.1.1"], interval_ns=1, timeout_ns=MS, window_ns=60 * S, ask=network.ask)
    began = time.monotonic()
    prober.start()
    until(prober, lambda f: len(f) >= 5)
    prober.stop()
    assert network.asked["1.1.1.1"] <= (time.monotonic() - began) * 10 + 2


def test_what_could_not_be_sent_is_no_loss(network: FakeNetwork) -> None:
    network.answers = {"1.1.1.1": EchoReply(None, "no permission")}
    with probing(network, "1.1.1.1") as prober:
        found = until(prober, lambda f: len(f) >= 3)
    assert {(o.sent, o.loss_ratio, o.point("pc").sent) for o in found} == {(False, 0.0, 0)}


def test_a_probe_on_its_way_is_outstanding_with_its_age(network: FakeNetwork) -> None:
    network.hanging = {"9.9.9.9"}
    with probing(network, "9.9.9.9") as prober:
        deadline = time.monotonic() + PATIENCE_S
        while not prober.outstanding():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (first, *_) = prober.outstanding()
    assert first.target == "9.9.9.9"
    assert first.age_ns >= 0


def test_a_target_is_added_moved_and_taken_away_while_it_runs(network: FakeNetwork) -> None:
    network.answers = {"10.0.0.2": EchoReply(9 * MS)}
    with probing(network, "1.1.1.1") as prober:
        prober.ask_also("gateway", "10.0.0.1")
        until(prober, lambda f: len(of("gateway", f)) >= 2)
        prober.ask_also("gateway", "10.0.0.2")
        until(prober, lambda f: any(o.rtt_ns == 9 * MS for o in of("gateway", f)))
        prober.ask_also("gateway", None)
        until(prober, lambda f: len(of("1.1.1.1", f)) >= 3)
        prober.collect()
        assert of("gateway", until(prober, lambda f: len(f) >= 3)) == []


def test_the_probes_are_spread_over_the_interval_and_the_one_that_is_added_lies_between() -> None:
    prober = Prober(["a.example", "b.example", "c.example"], interval_ns=S, timeout_ns=S, window_ns=60 * S)
    first, second, third = (target.due_ns for target in prober._targets)
    assert (second - first, third - second) == (S // 3, S // 3)
    prober.ask_also("gateway", "10.0.0.1")
    assert prober._targets[-1].due_ns - first == S // 6


def test_no_targets_is_no_work() -> None:
    prober = Prober([], interval_ns=S, timeout_ns=S, window_ns=60 * S)
    prober.start()
    prober.stop()
    prober.stop()
    assert prober.collect() == ()


def test_real_loopback_answers_in_both_families() -> None:
    if echo("127.0.0.1", S, 1).reason == "no permission":
        pytest.skip("ICMP needs root here")
    prober = Prober(["127.0.0.1", "::1", "localhost"], interval_ns=200 * MS, timeout_ns=2 * S, window_ns=60 * S)
    prober.start()
    try:
        until(prober, lambda f: {o.target for o in f if o.rtt_ns} == {"127.0.0.1", "::1", "localhost"})
    finally:
        prober.stop()
