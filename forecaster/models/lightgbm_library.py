"""LightGBM alone. Imported as it comes it also imports scikit-learn, pandas, pyarrow and Dask where these are
installed, for wrappers that are not used here: five processor seconds at the start of every hourly job instead of one.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Final

NOT_NEEDED: Final = ("sklearn", "pandas", "pyarrow", "dask", "matplotlib", "graphviz", "cffi")
_HINT: Final = (
    "; on Windows it needs the Microsoft Visual C++ Redistributable: `winget install Microsoft.VCRedist.2015+.x64`"
    if sys.platform == "win32"
    else ""
)


def lightgbm() -> ModuleType:
    """The library. Raises ImportError, with what to do, where it is not installed or cannot be loaded."""
    if "lightgbm" in sys.modules:
        return sys.modules["lightgbm"]
    hidden = [name for name in NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "cannot be imported"
    try:
        return import_module("lightgbm")
    except OSError as error:  # its DLL asks for msvcp140.dll and vcomp140.dll, which a new Windows does not have
        raise ImportError(f"LightGBM cannot be loaded ({error}){_HINT}") from None
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
