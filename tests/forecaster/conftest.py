"""One training process for all tests: starting TensorFlow takes longer than most trainings."""

from collections.abc import Iterator

import pytest

from forecaster.training.keras_trainer import KerasTrainer, unavailable
from tests.require import missing


@pytest.fixture(scope="session")
def trainer() -> Iterator[KerasTrainer]:
    """Shared; its results depend on the job alone. Skips where nothing can be trained."""
    if reason := unavailable():
        missing(reason)
    with KerasTrainer() as process:
        yield process
