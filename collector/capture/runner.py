"""The capture backend while it runs: opened, polled, and opened again when it breaks. It never takes the tick down.

A backend that fails is stopped, and the choice is made anew (which may fall back to another one), at once the first
time and then ever more rarely. Meanwhile the tick goes on with nothing attributed, and the notes say so.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from collector.capture import Capture, CaptureUnavailable, Sample
from qos.contract.errors import ConfigError

FIRST_RETRY_NS: Final = 2 * 10**9
LAST_RETRY_NS: Final = 60 * 10**9

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A backend that counts, and why it is this one."""

    capture: Capture
    reason: str


@dataclass(frozen=True, slots=True)
class BackendEvent:
    """Something for the event log: which backend, and what about it."""

    subject: str
    message: str


@dataclass(slots=True)
class Backend:
    """Holds the capture backend. ``now_ns`` is monotonic."""

    opener: Callable[[], Opened]
    """Chooses a backend and starts it. Raises CaptureUnavailable or ConfigError."""
    name: str = "none"
    reason: str = ""
    blind_to: tuple[str, ...] = ()
    _capture: Capture | None = None
    _retry_at_ns: int = 0
    _retry_ns: int = FIRST_RETRY_NS
    _events: list[BackendEvent] = field(default_factory=list)

    def open(self, now_ns: int, *, strict: bool = False) -> bool:
        """Choose and start a backend now. False when none works; another try comes by itself.

        ``strict`` lets a ConfigError through: the user named a backend that cannot run here.
        """
        self.stop()
        try:
            opened = self.opener()
        except (CaptureUnavailable, ConfigError) as error:
            if strict and isinstance(error, ConfigError):
                raise
            self._missing(now_ns, str(error))
            return False
        except Exception as error:  # a backend's library may raise anything; the host's counters and probes go on
            _log.exception("capture cannot start")
            self._missing(now_ns, f"{type(error).__name__}: {error}")
            return False
        self._capture = opened.capture
        if (self.name, self.reason) != (opened.capture.name, opened.reason):
            self._events.append(BackendEvent(opened.capture.name, opened.reason))
        self.name, self.reason = opened.capture.name, opened.reason
        self.blind_to = tuple(opened.capture.blind_to)
        return True

    def poll(self, now_ns: int) -> Sample:
        """What moved since the last poll; nothing while no backend works."""
        if self._capture is None and now_ns >= self._retry_at_ns:
            self.open(now_ns)
        if self._capture is None:
            return Sample(())
        try:
            sample = self._capture.poll()
        except Exception as error:  # as above: a broken backend is replaced, whatever broke it
            _log.exception("capture backend %s failed", self.name)
            self._events.append(BackendEvent(self.name, f"failed: {type(error).__name__}: {error}"))
            self.open(now_ns)
            return Sample(())
        self._retry_ns = FIRST_RETRY_NS
        self.blind_to = tuple(self._capture.blind_to)  # a backend may come to doubt itself
        return sample

    def events(self) -> tuple[BackendEvent, ...]:
        """What is new since the last call: a backend chosen, failed or missing."""
        found = tuple(self._events)
        self._events.clear()
        return found

    def stop(self) -> None:
        """Release the backend. Safe to call twice."""
        capture, self._capture = self._capture, None
        if capture is not None:
            with suppress(Exception):  # it is being given up: nothing it says now changes that
                capture.stop()

    def _missing(self, now_ns: int, why: str) -> None:
        if (self.name, self.reason) != ("none", why):
            self._events.append(BackendEvent("none", why))
        self.name, self.reason = "none", why
        self.blind_to = ("every application: no capture backend works here",)
        self._retry_at_ns = now_ns + self._retry_ns
        self._retry_ns = min(self._retry_ns * 2, LAST_RETRY_NS)
