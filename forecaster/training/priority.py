"""Background priority for a process: it yields the processor and the disk to everything else. Never raises either."""

import os
import sys
from typing import Final

import psutil

NICE: Final = 10
"""At least so nice, on systems that have it; a process that is nicer stays as it is."""
SINGLE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment that keeps numerical libraries on one thread; read when they are imported."""


def lower_priority(pid: int | None = None) -> None:
    """Below normal and with idle disk access; ``pid`` None: this process. A courtesy: what is refused is left."""
    try:
        process = psutil.Process(pid)
        if sys.platform == "win32":
            if process.nice() not in (psutil.IDLE_PRIORITY_CLASS, psutil.BELOW_NORMAL_PRIORITY_CLASS):
                process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
            process.ionice(psutil.IOPRIO_VERYLOW)
        else:
            if process.nice() < NICE:
                process.nice(NICE)
            if sys.platform == "linux":
                process.ionice(psutil.IOPRIO_CLASS_IDLE)
    except (psutil.Error, OSError, ValueError):
        return  # already gone, or a container that forbids it


def single_thread() -> None:
    """Before numpy is imported."""
    os.environ.update({name: os.environ.get(name, value) for name, value in SINGLE_THREAD.items()})
