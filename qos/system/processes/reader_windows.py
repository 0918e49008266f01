"""What only Windows knows of a process: the service that lives in it, and whether it has a visible window.

A service's name replaces ``svchost``. A process without a visible window of its own, and not started from a terminal,
is a background process. Not run on a real Windows here; type-checked for win32. Sources: EnumWindows,
GetWindowThreadProcessId and IsWindowVisible in Microsoft's winuser.h reference; psutil's win_service_iter.
"""

import ctypes
import dataclasses
import sys
from typing import Final

import psutil

from qos.policy.applications import Family, Process, executable_name
from qos.system.processes import reader_psutil

assert sys.platform == "win32"

_TERMINALS: Final = frozenset({"cmd", "powershell", "pwsh", "windowsterminal", "wt", "conhost", "openconsole", "bash"})
_HOSTS: Final = frozenset({"svchost"})


class ProcessReader(reader_psutil.ProcessReader):
    """Processes of Windows. ``refresh`` rereads the windows and the services: two system calls, not one per process."""

    family: Family = "windows"

    def __init__(self) -> None:
        self._windows: frozenset[int] = frozenset()
        self._services: dict[int, str] = {}

    def refresh(self) -> None:
        """Look again at what windows there are and which services run."""
        self._windows = visible_pids()
        self._services = services()

    def finish(self, found: Process, process: psutil.Process) -> Process:
        """Add the service's name and whether anything of it can be seen."""
        name = executable_name(found.exe or found.name, "windows")
        return dataclasses.replace(
            found,
            service=self._services.get(found.pid, "") if name in _HOSTS else "",
            background=found.pid not in self._windows and name not in _TERMINALS and not _from_terminal(process),
        )


def _from_terminal(process: psutil.Process) -> bool:
    try:
        return any(executable_name(parent.name(), "windows") in _TERMINALS for parent in process.parents()[:4])
    except (psutil.Error, OSError):
        return False


def services() -> dict[int, str]:
    """Service names by PID. A host of several is named by the first one in alphabetical order, with a plus sign."""
    names: dict[int, list[str]] = {}
    for service in psutil.win_service_iter():
        try:
            pid = service.pid()
        except (psutil.Error, OSError):
            continue
        if pid:
            names.setdefault(pid, []).append(service.name())
    return {pid: sorted(found)[0] + ("+" if len(found) > 1 else "") for pid, found in names.items()}


def visible_pids() -> frozenset[int]:
    """The processes that own a visible top-level window."""
    user32 = ctypes.WinDLL("user32", use_last_error=True)
    found: set[int] = set()

    def each(window: int, _argument: int) -> int:
        if user32.IsWindowVisible(ctypes.c_void_p(window)):
            pid = ctypes.c_uint32(0)
            user32.GetWindowThreadProcessId(ctypes.c_void_p(window), ctypes.byref(pid))
            found.add(pid.value)
        return 1

    callback = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(each)
    user32.EnumWindows(callback, ctypes.c_void_p(0))
    return frozenset(found)
