"""One instance of a part per data directory: a second one is refused with one line that names the first.

The lock is the operating system's on an open file, so it vanishes with its process, however that ends. The file holds
the owner's PID for the message only; it is never trusted and never removed.
"""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from qos.contract.errors import ConfigError

if sys.platform == "win32":
    from qos.service.locking.lock_windows import try_lock
else:
    from qos.service.locking.lock_posix import try_lock


class InstanceLock:
    """Held until ``release`` (or the process's end). A context manager."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def release(self) -> None:
        """Let another instance start. Safe to call twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def instance_lock(data: Path, part: str) -> InstanceLock:
    """The lock of ``part`` on a data directory. Raises ConfigError when another process holds it."""
    path = data / f"{part}.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened ({error.strerror}): check the data directory's owner") from None
    if not try_lock(fd):
        owner = os.read(fd, 32).decode("ascii", "replace").strip()
        os.close(fd)
        who = f" (PID {owner})" if owner else ""
        raise ConfigError(
            f"another {part}{who} already works on {data}: stop it first, or give this one another --data"
        )
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode("ascii"))
    return InstanceLock(fd)
