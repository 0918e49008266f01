"""The instance lock on Linux and macOS: ``flock(2)``, exclusive, never waiting."""

import sys

assert sys.platform != "win32"  # tells the type checker whose file this is

import fcntl  # noqa: E402 - idem


def try_lock(fd: int) -> bool:
    """True when the lock is now ours; it is gone when ``fd`` is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
