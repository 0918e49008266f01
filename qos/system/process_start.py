"""What tells a process from a later one with the same PID: when it started, as the kernel itself counts it.

Linux: clock ticks since boot (``/proc/PID/stat`` field 22, proc(5)), which no setting of the clock moves. Elsewhere
psutil's creation time, which Windows keeps as it was when the process began. To be compared for equality only.
"""

import sys
from pathlib import Path


def process_start(pid: int) -> int | None:
    """The start of a process, more than 0, in a unit of the system's own; None when there is no such process."""
    if sys.platform == "linux":  # two lines, hence no file of its own
        return _ticks(pid)
    import psutil  # only where it is needed: every command of the console comes through here

    try:
        return int(psutil.Process(pid).create_time() * 1e9)
    except (psutil.Error, ValueError):
        return None


def _ticks(pid: int) -> int | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
        after_name = line.rpartition(b")")[2].split()  # a name may hold blanks and parentheses
        return int(after_name[19])
    except (OSError, IndexError):
        return None
