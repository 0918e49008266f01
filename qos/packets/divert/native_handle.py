"""A native handle that is freed only when no call on it is under way.

A raw handle is a pointer (Linux) or a number that the system gives out again (Windows): a thread that read it just
before another thread freed it would call into freed memory, or into somebody else's handle. So every call holds a
reference while it lasts, and the last one out frees. Reference counting, nothing else; it knows no driver.
"""

import threading
from collections.abc import Callable
from typing import Final

from qos.packets.divert.errors import Drained

_LEAVE_S: Final = 0.2
"""How long ``close`` waits for calls under way. Whoever is slower frees the handle itself."""


class NativeHandle:
    """``with handle as raw:`` around every native call; raises ``Drained`` once closed. Any thread."""

    def __init__(self, raw: int, free: Callable[[int], object]) -> None:
        self._raw, self._free = raw, free
        self._users, self._closed, self._freed = 0, False, False
        self._idle = threading.Condition()

    def __enter__(self) -> int:
        with self._idle:
            if self._closed:
                raise Drained
            self._users += 1
        return self._raw

    def __exit__(self, *_: object) -> None:
        with self._idle:
            self._users -= 1
            last = self._take()
        if last:
            self._free(self._raw)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def close(self, wake: Callable[[int], object]) -> None:
        """Refuse further calls, end a blocking one with ``wake(raw)``, free. Safe to call twice.

        Returns when the handle is free, or after a fifth of a second: then the call that still holds it frees it.
        """
        with self._idle:
            if self._closed:
                return
            self._closed = True
            self._users += 1  # our own, for wake
        try:
            wake(self._raw)
        finally:
            with self._idle:
                self._users -= 1
                self._idle.wait_for(lambda: not self._users, _LEAVE_S)
                last = self._take()
            if last:
                self._free(self._raw)

    def _take(self) -> bool:
        """Whether the caller must free it. Under the lock."""
        if self._users or not self._closed:
            return False
        self._idle.notify_all()
        first, self._freed = not self._freed, True
        return first
