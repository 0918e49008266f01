"""How a child process runs one of our modules: this interpreter, this installation, nothing from the current folder.

``python -m MODULE`` puts the current folder first on the import path, so that a folder named ``qos`` there would run in
place of ours, as root. A child gets ``-P`` (Python 3.11, docs.python.org/3/using/cmdline.html#cmdoption-P), a working
directory of its own, and an import path without relative entries.
"""

import os
import site
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CODE_ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds ``qos`` and the other packages: a checkout, or site-packages."""


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """What ``subprocess.Popen`` needs: ``Popen(child.argv, cwd=child.cwd, env=child.env)``."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


def child_command(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> ChildCommand:
    """The command that runs ``module`` of this installation with ``arguments``.

    Paths among the arguments must be absolute: the child does not start in the caller's folder. ``env`` is added to
    the environment.
    """
    return ChildCommand(module_argv(module, *arguments), CODE_ROOT, _environment(env or {}))


def module_argv(module: str, *arguments: str) -> tuple[str, ...]:
    """Only the argument list: for a person to type, too."""
    return (sys.executable, "-P", "-m", module, *arguments)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    # An installed package is on the path already; as an entry of PYTHONPATH site-packages would precede the standard
    # library.
    own = [] if CODE_ROOT in _site_folders() else [str(CODE_ROOT)]
    path = os.pathsep.join(dict.fromkeys([*own, *inherited]))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return environment | ({"PYTHONPATH": path} if path else {}) | {"PYTHONSAFEPATH": "1"} | dict(more)


def _site_folders() -> Sequence[Path]:
    return [Path(folder).resolve() for folder in (*site.getsitepackages(), site.getusersitepackages())]
