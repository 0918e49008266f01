"""LightGBM alone. Imported as it comes it also imports scikit-learn, pandas, pyarrow and Dask where these are
installed, for wrappers that are not used here: five processor seconds at the start of every hourly job instead of one.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Final

NOT_NEEDED: Final = ("sklearn", "pandas", "pyarrow", "dask", "matplotlib", "graphviz", "cffi")


def lightgbm() -> ModuleType:
    """The library. Raises ImportError where it is not installed."""
    if "lightgbm" in sys.modules:
        return sys.modules["lightgbm"]
    hidden = [name for name in NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "cannot be imported"
    try:
        return import_module("lightgbm")
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
