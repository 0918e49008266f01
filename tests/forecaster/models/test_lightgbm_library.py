"""LightGBM without what it would import beside it; and that stays importable."""

import subprocess
import sys
from pathlib import Path

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


def test_a_library_that_lacks_something_of_the_system_is_an_import_error_in_words(tmp_path: Path) -> None:
    package = tmp_path / "lightgbm"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('Could not find module lib_lightgbm.dll')", encoding="utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from forecaster.models.lightgbm_library import lightgbm
try:
    lightgbm()
except ImportError as error:
    print(error)
import pandas
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "LightGBM cannot be loaded (Could not find module lib_lightgbm.dll)" in done.stdout
    assert ("Visual C++ Redistributable" in done.stdout) == (sys.platform == "win32")
