"""LightGBM without what it would import beside it; and that stays importable."""

import subprocess
import sys

import pytest

CODE = """
import sys
from forecaster.models.lightgbm_library import lightgbm
library = lightgbm()
assert library is lightgbm() is sys.modules["lightgbm"]
assert not [name for name in ("sklearn", "pandas", "dask", "pyarrow") if name in sys.modules]
import numpy as np
table = np.arange(400.0).reshape(200, 2)
booster = library.train({"verbosity": -1}, library.Dataset(table, table[:, 0]), 5)
assert np.isfinite(booster.predict(table)).all()
import pandas
assert pandas.DataFrame({"a": [1]}).shape == (1, 1)
"""


def test_it_trains_alone_and_pandas_can_be_imported_afterwards() -> None:
    pytest.importorskip("lightgbm")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
