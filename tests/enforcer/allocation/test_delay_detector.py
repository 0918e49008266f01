"""Baselines that adapt to the idle line's noise, and votes of targets."""

from enforcer.allocation.baseline import LEAST_THRESHOLD_NS, UNKNOWN_THRESHOLD_NS, IdleRtt
from enforcer.allocation.delay_detector import EchoSample, Reflector, judge

MS = 10**6
S = 10**9


def seen(*rtts_ms: float, target: str = "a", until_ns: int = 100 * S) -> Reflector:
    """A target after twenty idle seconds at 20 ms, then these answers, a tenth of a second apart."""
    made = Reflector()
    for number in range(80):
        made = made.with_sample(EchoSample(target, number * S // 4, 20 * MS), idle=True)
    start = until_ns - len(rtts_ms) * S // 10
    for number, rtt in enumerate(rtts_ms):
        made = made.with_sample(EchoSample(target, start + number * S // 10, int(rtt * MS)), idle=False)
    return made


def test_the_threshold_follows_the_idle_lines_own_noise() -> None:
    quiet, noisy = IdleRtt(), IdleRtt()
    assert quiet.threshold_ns == UNKNOWN_THRESHOLD_NS
    for number in range(100):
        quiet = quiet.with_delay(number * S, 20 * MS, idle=True)
        noisy = noisy.with_delay(number * S, 20 * MS + number * 7 % 16 * MS, idle=True)
    assert quiet.threshold_ns == LEAST_THRESHOLD_NS
    assert (noisy.noise_ns or 0) >= 12 * MS
    assert noisy.threshold_ns > 20 * MS


def test_echoes_of_the_first_moment_of_a_load_are_no_idle_ones() -> None:
    made = IdleRtt()
    for number in range(20):
        made = made.with_delay(number * S, 20 * MS, idle=True)
    for number in range(4):  # the load has begun; the loop learns of it a moment later
        made = made.with_delay(20 * S + number * S // 4, 300 * MS, idle=True)
    made = made.with_delay(21 * S, 300 * MS, idle=False)
    assert made.delay_ns == 20 * MS
    assert made.noise_ns == 0


def test_a_single_late_answer_says_nothing_and_two_do() -> None:
    once = judge(100 * S, {"a": seen(20, 20, 90)})
    assert not once.congested
    twice = judge(100 * S, {"a": seen(20, 80, 90)})
    assert twice.congested
    assert twice.queue_ns == 60 * MS


def test_an_echo_that_is_under_way_takes_nothing_from_what_answers_told() -> None:
    """It is late by 40 ms as yet: the queue of 110 ms was told as one of 40, and a cut as vain that shortened it."""
    made = seen(20, 130, 130).with_sample(EchoSample("a", 100 * S, 60 * MS, pending=True), idle=False)
    told = judge(100 * S, {"a": made})
    assert (told.queue_ns, told.base_ns) == (110 * MS, 20 * MS)
    gone = made.with_sample(EchoSample("a", 100 * S + 50 * MS, 21 * MS), idle=False)
    assert not judge(100 * S + 50 * MS, {"a": gone}).congested


def test_an_echo_that_is_still_under_way_is_late_already() -> None:
    made = seen(20, 20)
    for later in (100, 200):
        sample = EchoSample("a", 100 * S + later * MS, later * MS, pending=True)
        made = made.with_sample(sample, idle=False)
    assert judge(100 * S + 200 * MS, {"a": made}).congested
    early = seen(20, 20).with_sample(EchoSample("a", 100 * S, 22 * MS, pending=True), idle=False)
    assert not judge(100 * S, {"a": early}).rising


def test_the_gateway_has_no_vote_even_when_the_far_targets_are_silent() -> None:
    gateway, far = seen(20, 20, target="gateway"), seen(90, 90, target="far")
    assert judge(100 * S, {"gateway": gateway, "far": far}, frozenset({"gateway"})).congested
    silent = judge(110 * S, {"gateway": seen(20, 20, until_ns=110 * S), "far": far}, frozenset({"gateway"}))
    assert silent.voters == 0


def test_a_gateway_alone_is_better_than_nobody() -> None:
    assert judge(100 * S, {"gateway": seen(90, 90)}, frozenset({"gateway"})).congested


def test_lost_echoes_are_no_delay() -> None:
    made = seen(20, 20)
    for number in range(5):
        made = made.with_sample(EchoSample("a", 100 * S + number * S // 10, None), idle=False)
    assert not judge(100 * S + S // 2, {"a": made}).rising


def test_timestamps_tell_the_direction_whatever_the_clocks_say() -> None:
    made = Reflector()
    for number in range(80):
        ways = {"down": 3600 * S, "up": -3600 * S + 20 * MS}
        made = made.with_sample(EchoSample("a", number * S // 4, 20 * MS, one_way_ns=ways), idle=True)  # type: ignore[arg-type]
    for number in range(2):
        ways = {"down": 3600 * S + 50 * MS, "up": -3600 * S + 20 * MS}
        made = made.with_sample(EchoSample("a", 30 * S + number, 70 * MS, one_way_ns=ways), idle=False)  # type: ignore[arg-type]
    delay = judge(30 * S + 2, {"a": made})
    assert delay.one_way_ns == {"down": 50 * MS, "up": 0}
