"""Weights by what was right lately: what they follow, what they may not see, and series that are never wrong."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.models.combination import MEMORY, POWER, weighted, weights

PAST, HORIZON = 30, 4
STEPS = np.arange(1, HORIZON + 1)


def point(path: np.ndarray) -> np.ndarray:
    return np.repeat(path[:, :, None], 3, axis=2)


def known(past: int = PAST) -> np.ndarray:
    """For each past origin: how many predictions of each step have an outcome there."""
    return np.asarray(np.maximum(np.arange(past)[:, None] - STEPS + 1, 0))


def test_before_anything_is_known_all_weigh_the_same() -> None:
    actual = np.random.default_rng(0).normal(size=(PAST, HORIZON))
    found = np.stack([point(actual), point(actual + 5), point(actual - 1)])
    share = weights(found, actual, known())
    assert np.allclose(share[:, 0], 1 / 3)
    # Step 1 of the first origin is known at the second, step 4 not before the fifth.
    assert share[0, 1, 0, 0] == 1
    assert np.allclose(share[:, 3, 3], 1 / 3)
    assert share[0, 4, 3, 0] == 1


def test_twice_the_loss_weighs_a_thousandth() -> None:
    actual = np.zeros((PAST, HORIZON))
    share = weights(np.stack([point(actual + 1), point(actual + 2)]), actual, known())[:, -1]
    assert np.allclose(share[0] / share[1], 2**POWER)


def test_a_step_and_a_level_have_weights_of_their_own() -> None:
    actual = np.zeros((PAST, HORIZON))
    one, other = np.ones((PAST, HORIZON, 3)), np.ones((PAST, HORIZON, 3))
    one[:, 0, 1], other[:, 2, 0] = 0.0, 0.5
    share = weights(np.stack([one, other]), actual, known())[:, -1]
    assert share[0, 0, 1] == 1
    assert share[1, 2, 0] > 0.99
    assert np.allclose(share[:, 3], 0.5)


def test_what_fails_loses_its_say_and_gets_it_back() -> None:
    past = 3 * MEMORY
    actual = np.zeros((past, HORIZON))
    steady, failing = np.full((past, HORIZON), 1.0), np.full((past, HORIZON), 0.5)
    failing[MEMORY : MEMORY + 50] = 40.0
    share = weights(np.stack([point(steady), point(failing)]), actual, known(past))
    assert (share[1, MEMORY] > 0.99).all()
    assert (share[1, MEMORY + 20] < 0.01).all()
    assert (share[1, -1] > 0.99).all()


def test_two_that_are_never_wrong_share_and_one_that_is_wrong_has_nothing() -> None:
    actual = np.zeros((PAST, HORIZON))
    share = weights(np.stack([point(actual), point(actual), point(actual + 1)]), actual, known())
    assert np.allclose(share[:, -1, :, :].transpose(1, 2, 0), [0.5, 0.5, 0.0])


def test_what_was_not_measured_says_nothing() -> None:
    actual = np.zeros((PAST, HORIZON))
    found = np.stack([point(actual + 1), point(actual + 2)])
    gaps, lacking = actual.copy(), found.copy()
    gaps[5:9], lacking[1, 12] = np.nan, np.nan
    assert np.allclose(weights(lacking, gaps, known())[:, -1], weights(found, actual, known())[:, -1])
    nothing = weights(found, np.full_like(actual, np.nan), known())
    assert np.allclose(nothing, 0.5)


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, (3, PAST, HORIZON, 3), elements=st.floats(-1e9, 1e9)),
    arrays(np.float64, (PAST, HORIZON), elements=st.floats(-1e9, 1e9)),
    st.integers(0, PAST - 1),
)
def test_weights_sum_to_one_and_do_not_depend_on_what_came_later(
    found: np.ndarray, actual: np.ndarray, origin: int
) -> None:
    share = weights(found, actual, known())
    assert np.isfinite(share).all()
    assert (share >= 0).all()
    assert np.allclose(share.sum(axis=0), 1)
    later = actual.copy()
    for step in STEPS:
        later[max(origin - step + 1, 0) :, step - 1] += 1e6
    assert (weights(found, later, known())[:, : origin + 1] == share[:, : origin + 1]).all()
    mean = weighted(found, share)
    assert (np.diff(mean, axis=2) >= 0).all()
    assert (mean >= found.min(axis=(0, 3))[..., None] - 1e-3).all()
    assert (mean <= found.max(axis=(0, 3))[..., None] + 1e-3).all()
