"""How a child is started and asked to stop on Windows. ``terminate`` there is a kill, so Ctrl-Break is sent instead."""

import ctypes
import signal
import subprocess
import sys
from contextlib import suppress

assert sys.platform == "win32"  # tells the type checker whose file this is


def spawn_flags() -> int:
    """A process group of its own: the console's Ctrl-C goes to the supervisor alone, which then asks each child."""
    return subprocess.CREATE_NEW_PROCESS_GROUP


def spawn_session() -> bool:
    """Sessions are POSIX."""
    return False


def ask_to_stop(child: "subprocess.Popen[bytes]") -> None:
    """Ctrl-Break to the child's group; without a console (a service) the closed pipe alone has to do.

    Never raises: ``os.kill`` tries TerminateProcess after a console event that failed, so a refused Ctrl-Break would
    kill the child, and until Python 3.12 it then ends in a SystemError (CPython gh-58689). The event is sent directly.
    """
    with suppress(OSError):
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, child.pid)
