from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.probes.statistics import TargetStats

MS = 10**6
S = 10**9


def test_jitter_follows_the_formula_of_rfc_3550() -> None:
    stats = TargetStats(60 * S)
    rtts = [20, 36, 20, 20]  # differences 16, 16, 0
    seen = [stats.record(i * S, rtt * MS).jitter_ms for i, rtt in enumerate(rtts)]
    assert seen == [None, pytest.approx(1.0), pytest.approx(1.9375), pytest.approx(1.81640625)]


def test_a_lost_probe_changes_loss_and_not_jitter() -> None:
    stats = TargetStats(60 * S)
    stats.record(0, 20 * MS)
    before = stats.record(1 * S, 36 * MS)
    after = stats.record(2 * S, None)
    assert after.jitter_ms == before.jitter_ms
    assert after.loss_ratio == pytest.approx(1 / 3)


def test_loss_forgets_what_left_the_window() -> None:
    stats = TargetStats(10 * S)
    assert stats.record(0, None).loss_ratio == 1.0
    assert stats.record(5 * S, 1).loss_ratio == 0.5
    assert stats.record(10 * S, 1).loss_ratio == 0.0  # the loss is exactly one window old: out


@given(
    st.lists(st.tuples(st.integers(0, 20 * S), st.none() | st.integers(1, 2 * S)), min_size=1, max_size=60),
    st.integers(1, 30 * S),
)
def test_loss_is_the_share_lost_in_the_window_and_jitter_stays_within_the_differences(
    probes: list[tuple[int, int | None]], window_ns: int
) -> None:
    stats = TargetStats(window_ns)
    now_ns, sent = 0, []
    for step_ns, rtt_ns in probes:
        now_ns += step_ns
        sent.append((now_ns, rtt_ns))
        quality = stats.record(now_ns, rtt_ns)
    inside = [rtt for at, rtt in sent if at > now_ns - window_ns]
    assert quality.loss_ratio == pytest.approx(sum(rtt is None for rtt in inside) / len(inside))
    answers = [rtt for _, rtt in sent if rtt is not None]
    if len(answers) < 2:
        assert quality.jitter_ms is None
    else:
        widest = max(abs(a - b) for a, b in pairwise(answers))
        assert quality.jitter_ms is not None
        assert 0 <= quality.jitter_ms <= widest / MS + 1e-9


def test_memory_is_bounded() -> None:
    stats = TargetStats(10**18, limit=100)
    for i in range(1000):
        quality = stats.record(i, None if i < 990 else 1)
    assert quality.loss_ratio == pytest.approx(0.9)
