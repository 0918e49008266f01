"""The priority of this process: a little above others, for a process that holds packets or times answers."""

import logging
import sys
from typing import Final

import psutil

_log = logging.getLogger(__name__)

NICE: Final = -10
"""On Linux: about nine times the share of an ordinary process where all cores are busy (sched(7))."""


def hurry() -> bool:
    """Let this process run before ordinary ones; whether the system allows it (root, or an administrator)."""
    try:
        if sys.platform == "win32":
            psutil.Process().nice(psutil.HIGH_PRIORITY_CLASS)
        else:
            psutil.Process().nice(NICE)
    except (psutil.Error, OSError) as error:
        _log.info("ordinary priority: %s", error)
        return False
    return True
