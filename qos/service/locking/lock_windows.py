"""The instance lock on Windows: one byte far behind the text, because a locked region cannot be read by others."""

import os
import sys
from typing import Final

assert sys.platform == "win32"  # tells the type checker whose file this is

import msvcrt  # noqa: E402 - idem

_BEHIND: Final = 1 << 20


def try_lock(fd: int) -> bool:
    """True when the lock is now ours; it is gone when ``fd`` is closed."""
    os.lseek(fd, _BEHIND, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return True
