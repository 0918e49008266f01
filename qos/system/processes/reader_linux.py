"""Processes as Linux tells of them: ``/proc`` read directly, one small file per question, psutil nowhere in a tick.

``stat`` alone gives name, parent, terminal, start and what the process costs. The command line is read only to complete
a shortened name or when a config rule names scripts; ``cgroup`` and ``environ`` only to tell a daemon from a program
with a window, once per process. Everything that may not be read counts as empty. ProcessReader: proc(5).
"""

import os
import sys
from dataclasses import dataclass

from qos.policy.applications import COMM_LENGTH, DELETED, Family, Process, is_interpreter, script_name
from qos.system import clock

assert sys.platform != "win32"

_KTHREAD = 0x00200000  # PF_KTHREAD, linux/sched.h
_TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of ``/proc/PID/stat`` that matter here. ``started_ticks`` is since boot, ``cpu_ns`` user + system."""

    name: str
    parent: int
    terminal: bool
    kernel: bool
    started_ticks: int
    cpu_ns: int
    rss_bytes: int


def parse_stat(raw: bytes) -> Stat:
    """One ``stat`` line. The name may hold spaces and parentheses, so fields are counted from the last one."""
    head, _, tail = raw.rpartition(b")")
    f = tail.split()
    return Stat(
        name=os.fsdecode(head.partition(b"(")[2]),
        parent=int(f[1]),
        terminal=int(f[4]) != 0,
        kernel=bool(int(f[6]) & _KTHREAD),
        started_ticks=int(f[19]),
        cpu_ns=(int(f[11]) + int(f[12])) * _TICK_NS,
        rss_bytes=int(f[21]) * _PAGE,
    )


def systemd_path(cgroup: str) -> str:
    """The path that systemd manages, of ``/proc/PID/cgroup``: the v2 line, on hybrid systems the one named systemd."""
    lines = [line.split(":", 2) for line in cgroup.splitlines() if line.count(":") >= 2]
    return max((path for number, name, path in lines if number == "0" or name == "name=systemd"), key=len, default="")


def is_background(*, terminal: bool, kernel: bool, cgroup: str, display: bool) -> bool:
    """No window and no terminal, as far as Linux tells.

    A terminal decides. Then systemd's unit: ``app-*`` is what a desktop starts for its user, any other service is
    nobody's window. Last, whether the process was given a display.
    """
    if kernel or terminal:
        return kernel
    unit = cgroup.rstrip("/").rpartition("/")[2]
    if unit.startswith("app-"):
        return False
    if unit.endswith(".service") or "/system.slice/" in cgroup:
        return True
    return not display


class ProcessReader:
    """Reads processes. ``clock.boot_ns`` is taken once, so that a process's start never shifts with the wall clock."""

    family: Family = "linux"

    def __init__(self) -> None:
        self._boot_ns = clock.boot_ns()

    def glance(self, pid: int) -> tuple[int, str] | None:
        """Start (UTC, ns) and short name, which changes when it runs another program; None when there is none."""
        stat = _stat(pid)
        return (self._boot_ns + stat.started_ticks * _TICK_NS, stat.name) if stat else None

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        """Start (UTC, ns), CPU used since then (ns) and resident bytes; None when the process is gone."""
        stat = _stat(pid)
        if stat is None:
            return None
        return self._boot_ns + stat.started_ticks * _TICK_NS, stat.cpu_ns, stat.rss_bytes

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        """All that identity needs; None when the process is gone. ``scripts`` allows the look for a script's name."""
        stat = _stat(pid)
        if stat is None:
            return None
        exe = _link(f"/proc/{pid}/exe") if not stat.kernel else ""
        argv0 = script = ""
        if exe and scripts and is_interpreter(exe, "linux"):
            script = script_name(_words(pid))
        elif not exe and not stat.kernel and len(os.fsencode(stat.name)) >= COMM_LENGTH:
            argv0 = next(iter(_words(pid)), "")
        background = stat.kernel
        if not stat.kernel and not stat.terminal:
            cgroup = systemd_path(_read(f"/proc/{pid}/cgroup", 4096).decode("utf-8", "replace"))
            environ = _read(f"/proc/{pid}/environ", 65536)
            background = is_background(
                terminal=False,
                kernel=False,
                cgroup=cgroup,
                display=any(word.startswith((b"DISPLAY=", b"WAYLAND_DISPLAY=")) for word in environ.split(b"\0")),
            )
        return Process(
            pid=pid,
            started_ns=self._boot_ns + stat.started_ticks * _TICK_NS,
            parent=stat.parent,
            name=stat.name,
            exe=exe,
            argv0=argv0,
            script=script,
            kernel=stat.kernel,
            background=background,
        )

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        """Start (UTC, ns), name and path; an empty path when it cannot be read; None when the process is gone."""
        stat = _stat(pid)
        if stat is None:
            return None
        exe = _link(f"/proc/{pid}/exe").removesuffix(DELETED)  # empty: a kernel thread, a zombie, not ours to read
        return self._boot_ns + stat.started_ticks * _TICK_NS, exe.rpartition("/")[2] or stat.name, exe

    def pids(self) -> list[int]:
        """Every process there is."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def refresh(self) -> None:
        """Nothing is kept between calls."""


def _stat(pid: int) -> Stat | None:
    raw = _read(f"/proc/{pid}/stat", 1024)
    return parse_stat(raw) if raw else None


def _words(pid: int) -> list[str]:
    return [os.fsdecode(word) for word in _read(f"/proc/{pid}/cmdline", 4096).split(b"\0")]


def _read(path: str, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:  # gone between open and read, or not ours to read
        return b""
    finally:
        os.close(fd)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
