"""Root or not, on Linux and other Unix systems. The same functions as ``elevation_windows``."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from qos.contract.environment import SUPERVISED


def elevated() -> bool:
    """True for root."""
    return sys.platform != "win32" and os.geteuid() == 0


def how_to() -> str:
    """What to type to become root with the same command, in one line."""
    if shutil.which("uv") and Path(sys.prefix).name == ".venv":
        # As the README has it; a part that `up` started is not what anybody typed.
        words = ["up"] if os.environ.get(SUPERVISED) == "1" else sys.argv[1:]
        return f'type: sudo "$(which uv)" run autoqos {shlex.join(words)}'
    command = shlex.join([sys.executable, "-P", "-m", "console", *sys.argv[1:]])
    return f"type: sudo {command}"
