"""The hybrid with a trainer that is not TensorFlow: what it keeps, what it continues from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecaster.data.windows import ForecastTask
from forecaster.models.hybrid import fit_hybrid
from forecaster.models.model import Trained
from tests.forecaster.samples import HOUR_NS, frame_of, seasonal


class NeverImproving:
    """A trainer whose every network ends where it began."""

    def train(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Trained:
        return Trained({}, (1.0,), (1.0,), 1.0)


def test_a_fit_that_kept_no_network_leaves_nothing_to_the_next() -> None:
    rng = np.random.default_rng(1)
    # At first there is a random walk (the short feature set wins), later a season that the full set sees.
    values = np.concatenate([100 + np.cumsum(rng.normal(size=240)), seasonal(480, noise=0.1)])
    task = ForecastTask(6, 6, HOUR_NS, (24,))
    first = fit_hybrid(frame_of(values[:240]), task, NeverImproving())
    assert first.networks == ()
    assert first.ridge.features.periods == ()
    frame = frame_of(values)
    second = fit_hybrid(frame, task, NeverImproving(), first)
    assert second.ridge.features.periods == (24,)
    assert np.isfinite(second.predict(frame, np.array([700]))).all()
