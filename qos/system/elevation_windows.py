"""Administrator or not, on Windows. The same functions as ``elevation_linux``."""

import ctypes
import subprocess
import sys


def elevated() -> bool:
    """True when the process token is elevated."""
    if sys.platform != "win32":
        return False
    try:
        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    except OSError:
        return False


def how_to() -> str:
    """What to do to get an elevated terminal, and what to type there, in one line."""
    command = subprocess.list2cmdline([sys.executable, "-P", "-m", "console", *sys.argv[1:]])
    return f"press Win+X, choose Terminal (Admin), and type: {command}"
