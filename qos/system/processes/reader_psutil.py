"""Processes through psutil, for every system but Linux. Slower per process than ``/proc``, so the cache above matters.

What psutil may not read counts as empty.
"""

import sys
from typing import Final

import psutil

from qos.policy.applications import Family, Process, is_interpreter, script_name

_NS: Final = 10**9
_GONE: Final = (psutil.NoSuchProcess, psutil.ZombieProcess, OSError)


class ProcessReader:
    """Reads processes. Times are UTC nanoseconds as psutil derives them (it keeps the boot time it first saw)."""

    family: Family = "linux"

    def glance(self, pid: int) -> tuple[int, str] | None:
        """Start (UTC, ns; 1 when nobody may know) and no name; None when there is no such process."""
        try:
            return int(psutil.Process(pid).create_time() * _NS), ""
        except psutil.AccessDenied:
            return 1, ""
        except _GONE:
            return None

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        """Start (UTC, ns), CPU used since then (ns) and resident bytes; None when gone or not ours to see."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                spent = int((times.user + times.system) * _NS)
                return int(process.create_time() * _NS), spent, process.memory_info().rss
        except (psutil.AccessDenied, *_GONE):
            return None

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        """All that identity needs; None when the process is gone. ``scripts`` allows the look for a script's name."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                name = process.name()
                started_ns = int(process.create_time() * _NS)
                parent = process.ppid()
        except psutil.AccessDenied:
            return Process(pid=pid, started_ns=1, background=True)
        except _GONE:
            return None
        exe = script = ""
        try:
            exe = process.exe()
            if scripts and is_interpreter(exe or name, self.family):
                script = script_name(process.cmdline())
        except (psutil.AccessDenied, *_GONE):
            pass  # protected or another user's: its image name is enough
        return self.finish(
            Process(pid=pid, started_ns=started_ns, parent=parent, name=name, exe=exe, script=script),
            process,
        )

    def finish(self, found: Process, process: psutil.Process) -> Process:
        """Add what only this system knows. Here: no terminal means background."""
        try:
            background = sys.platform == "win32" or process.terminal() is None
        except (psutil.AccessDenied, *_GONE):
            background = True
        return Process(
            pid=found.pid,
            started_ns=found.started_ns,
            parent=found.parent,
            name=found.name,
            exe=found.exe,
            script=found.script,
            background=background,
        )

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        """Start (UTC, ns), name and path; an empty path when it cannot be read; None when the process is gone."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                started_ns, name = int(process.create_time() * _NS), process.name()
        except (psutil.Error, OSError):
            return None
        try:
            return started_ns, name, process.exe()
        except (psutil.Error, OSError):
            return started_ns, name, ""

    def pids(self) -> list[int]:
        """Every process there is."""
        return psutil.pids()

    def refresh(self) -> None:
        """Nothing is kept between calls."""
