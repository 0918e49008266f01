"""The bucket's arithmetic, with the case that broke its float predecessor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.qdisc.token_bucket import Bucket, burst_bytes

S = 10**9


def test_six_full_packets_at_8_kbit_never_name_a_time_at_which_nothing_may_leave() -> None:
    # 1000 B/s and six 1,500-byte packets at t=0 made a float bucket spin for ever.
    bucket, now = Bucket(0, 8_000, 1_500), 0
    sent: list[int] = []
    while len(sent) < 6:
        if bucket.ready(now):
            bucket.charge(1_500)
            sent.append(now)
        else:
            then = bucket.next_at(now)
            assert then > now
            now = then
    assert sent[0] == 0
    assert sent[-1] <= 5 * 1_500 * 8 * S // 8_000 + 1


def test_a_64_kb_packet_passes_and_its_debt_is_waited_for() -> None:
    bucket = Bucket(0, 1_000_000, 3_028)
    assert bucket.ready(0)
    bucket.charge(65_536)
    assert not bucket.ready(0)
    assert bucket.debt_bytes(0) == 65_536 - 3_028
    then = bucket.next_at(0)
    assert then == (65_536 - 3_028) * 8 * 1_000 + 1
    assert not bucket.ready(then - 1)
    assert bucket.ready(then)


def test_credit_never_exceeds_the_burst_after_a_long_rest() -> None:
    bucket = Bucket(0, 10**9, 3_000)
    assert bucket.ready(3600 * S)
    bucket.charge(3_000)
    assert not bucket.ready(3600 * S)


def test_a_clock_that_goes_back_earns_nothing() -> None:
    bucket = Bucket(10 * S, 8_000, 1_000)
    bucket.charge(2_000)
    assert not bucket.ready(5 * S)
    assert bucket.next_at(5 * S) == bucket.next_at(10 * S)


def test_a_lower_rate_keeps_the_debt_and_loses_credit_above_the_new_burst() -> None:
    bucket = Bucket(0, 10**9, 100_000)
    bucket.set_rate(0, 8_000, 1_000)
    bucket.charge(1_000)
    assert not bucket.ready(0)
    assert bucket.next_at(0) == 1  # credit is exactly zero: the next nanosecond earns
    bucket.charge(1)
    assert bucket.next_at(0) == 8 * S // 8_000 + 1


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_a_bucket_without_rate_or_burst_is_refused(rate: int, burst: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Bucket(0, rate, burst)


def test_the_burst_covers_a_late_tick_and_at_least_two_packets() -> None:
    assert burst_bytes(64_000, 20_000_000) == 2 * 1514
    assert burst_bytes(100_000_000, 20_000_000) == 250_000


@settings(deadline=None)
@given(
    rate=st.integers(1, 10**10),
    burst=st.integers(1, 10**6),
    steps=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 70_000)), max_size=40),
)
def test_next_at_is_the_first_ready_instant_and_the_bound_holds(
    rate: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    bucket, now, sent = Bucket(0, rate, burst), 0, 0
    for wait, size in steps:
        now += wait
        then = bucket.next_at(now)
        assert then >= now
        if then > now:
            assert not bucket.ready(then - 1)
        assert bucket.ready(then)
        now = then
        bucket.charge(size)
        sent += size
        # all of it but the last packet was within what time allowed
        assert (sent - size) * 8 * S < rate * now + burst * 8 * S + 1
