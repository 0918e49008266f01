"""Folds lie one after the other, in time, and cover the end of the history once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.windows import ForecastTask
from forecaster.evaluation.folds import TooShortError, minimum_rows, scored, walk_forward


def task(horizon: int = 12, sequence: int = 48) -> ForecastTask:
    return ForecastTask(horizon, sequence, 300 * 10**9)


@given(st.integers(60, 5000), st.integers(2, 20), st.integers(1, 20), st.integers(4, 100))
@settings(deadline=None)
def test_folds_cover_the_end_once_and_never_overlap(rows: int, count: int, horizon: int, sequence: int) -> None:
    try:
        folds = walk_forward(rows, count, task(horizon, sequence))
    except TooShortError:
        assert rows < minimum_rows(count, task(horizon, sequence))
        return
    assert len(folds) == count + 1
    assert [fold.scored for fold in folds] == [False] + [True] * count
    # Plain oracle: every origin that is predicted, in order, each once, and the last one's whole path is inside.
    origins = [origin for fold in folds for origin in range(fold.cut - 1, fold.stop - 1)]
    assert origins == list(range(folds[0].cut - 1, rows - horizon))
    assert folds[0].cut >= sequence + 2 * horizon
    lengths = {fold.stop - fold.cut for fold in scored(folds)}
    assert len(lengths) == 1


def test_a_quarter_of_a_long_history_is_scored() -> None:
    folds = walk_forward(4000, 5, task())
    assert sum(fold.stop - fold.cut for fold in scored(folds)) == 1000


def test_training_never_sees_a_row_at_or_after_its_first_target() -> None:
    for fold in walk_forward(1000, 5, task()):
        first_target = (fold.cut - 1) + 1
        assert fold.cut <= first_target


def test_a_short_history_is_refused_with_the_numbers() -> None:
    with pytest.raises(TooShortError, match="40 steps are too few to score 5 folds of a horizon of 12"):
        walk_forward(40, 5, task())
    assert minimum_rows(5, task(12, 10)) <= 120


def test_the_default_minimum_history_can_be_scored() -> None:
    assert len(walk_forward(120, 5, task(12, 24))) == 6


@given(st.integers(2, 20), st.integers(1, 20), st.integers(4, 100), st.integers(0, 400))
@settings(deadline=None)
def test_a_longer_history_is_never_refused_where_a_shorter_one_is_taken(
    count: int, horizon: int, sequence: int, more: int
) -> None:
    least = minimum_rows(count, task(horizon, sequence))
    assert len(walk_forward(least + more, count, task(horizon, sequence))) == count + 1
