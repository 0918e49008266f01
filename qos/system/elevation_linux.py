"""Root or not, on Linux and other Unix systems. The same functions as ``elevation_windows``."""

import os
import shlex
import sys


def elevated() -> bool:
    """True for root."""
    return sys.platform != "win32" and os.geteuid() == 0


def how_to() -> str:
    """What to type to become root with the same command, in one line."""
    command = shlex.join([sys.executable, "-P", "-m", "console", *sys.argv[1:]])
    return f"type: sudo {command}"
