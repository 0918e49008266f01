"""One trace session of our own: started, consumed, watched for losses, stopped. Over an API object.

A session belongs to the system and outlives its process, so one that a crash left behind is stopped first; only the
session of this name, never another program's. The order is the documented one: stop a stale session, start, enable the
providers, open, process in a thread of its own; and back: disable, stop, wait for the thread, close.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from collector.capture import CaptureUnavailable
from collector.capture.etw.callbacks import Feed
from collector.capture.etw.layout import KINDS, NETWORK, NETWORK_KEYWORDS, PROCESS, PROCESS_KEYWORDS, PROCESS_START

_log: Final = logging.getLogger(__name__)

NAME: Final = "AutoQoS-Network"
OK, ACCESS_DENIED, ALREADY_EXISTS, NO_RESOURCES, NOT_FOUND, CLOSE_PENDING = 0, 5, 183, 1450, 4201, 7007
_JOIN_S: Final = 5.0
_WORDS: Final = {
    ACCESS_DENIED: "needs an administrator",
    NO_RESOURCES: "no free trace session: another program holds them (logman query -ets lists them)",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """What the system says it lost since the session began."""

    events: int
    buffers: int


class Api(Protocol):
    """What the session asks of Windows. Numbers are Windows error codes, 0 is success."""

    def start(self, name: str) -> tuple[int, int]:
        """StartTrace: the error and the session's handle."""

    def stop(self, name: str) -> int:
        """ControlTrace, stop, by name."""

    def flush(self, name: str) -> int:
        """ControlTrace, flush: hand over what is in the buffers now."""

    def lost(self, name: str) -> tuple[int, Lost]:
        """ControlTrace, query."""

    def enable(self, session: int, provider: UUID, keywords: int, numbers: Sequence[int]) -> int:
        """EnableTraceEx2 with a filter for these events; no filter when there are none."""

    def disable(self, session: int, provider: UUID) -> int:
        """EnableTraceEx2, disable."""

    def open(self, name: str, feed: Feed, raw: bool) -> tuple[int, int]:
        """OpenTrace (``raw``: OpenTraceFromRealTimeLogger): the error and the trace's handle."""

    def can_raw(self) -> bool:
        """Whether raw buffers are offered."""

    def process(self, trace: int) -> int:
        """ProcessTrace: blocks until the session ends."""

    def close(self, trace: int) -> int:
        """CloseTrace."""


class Session:
    """See the module. ``raw`` asks for whole buffers where the system has them."""

    def __init__(self, api: Api, feed: Feed, *, raw: bool) -> None:
        self._api, self._feed, self._raw = api, feed, raw and api.can_raw()
        self._session: int | None = None
        self._trace: int | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self.ended: str | None = None
        """Why the session is over although nobody here stopped it; None while it runs."""

    @property
    def raw(self) -> bool:
        """Whether whole buffers are read."""
        return self._raw

    def start(self) -> None:
        """Begin. Raises CaptureUnavailable, and then nothing is left behind."""
        self._api.stop(NAME)
        error, handle = self._api.start(NAME)
        if error == ALREADY_EXISTS:
            self._api.stop(NAME)
            error, handle = self._api.start(NAME)
        if error:
            raise CaptureUnavailable(f"ETW: {describe(error)} (StartTrace)")
        self._session = handle
        try:
            self._enable(NETWORK, NETWORK_KEYWORDS, tuple(sorted(KINDS)))
            if self._try(PROCESS, PROCESS_KEYWORDS, (PROCESS_START,)):
                _log.info("ETW does not tell the names of processes that are gone")
            self._open()
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=self._run, name="etw", daemon=True)
        self._thread.start()

    def _enable(self, provider: UUID, keywords: int, numbers: tuple[int, ...]) -> None:
        error = self._try(provider, keywords, numbers)
        if error:
            raise CaptureUnavailable(f"ETW: {describe(error)} (EnableTraceEx2)")

    def _try(self, provider: UUID, keywords: int, numbers: tuple[int, ...]) -> int:
        assert self._session is not None
        error = self._api.enable(self._session, provider, keywords, numbers)
        if error and error != ACCESS_DENIED:
            error = self._api.enable(self._session, provider, keywords, ())  # the parser filters too
        return error

    def _open(self) -> None:
        error, trace = self._api.open(NAME, self._feed, self._raw)
        if error and self._raw:
            self._raw = False
            error, trace = self._api.open(NAME, self._feed, False)
        if error:
            raise CaptureUnavailable(f"ETW: {describe(error)} (OpenTrace)")
        self._trace = trace

    def _run(self) -> None:
        assert self._trace is not None
        error = self._api.process(self._trace)
        if not self._stopping:
            self.ended = f"ETW: the session was ended from outside ({describe(error) if error else 'no error'})"

    def flush(self) -> None:
        """Ask for what is still in the system's buffers; it arrives a little later."""
        self._api.flush(NAME)

    def lost(self) -> Lost:
        """What was lost since the start; zeros when the system does not say."""
        error, lost = self._api.lost(NAME)
        return Lost(0, 0) if error else lost

    def stop(self) -> None:
        """End it and wait for what is under way. Safe to call twice, and after a failed start."""
        self._stopping = True
        session, self._session = self._session, None
        if session is not None:
            for provider in (NETWORK, PROCESS):
                self._api.disable(session, provider)
            self._api.stop(NAME)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_JOIN_S)
        trace, self._trace = self._trace, None
        if trace is not None:
            error = self._api.close(trace)
            if error not in (OK, CLOSE_PENDING):
                _log.warning("ETW: %s (CloseTrace)", describe(error))


def describe(error: int) -> str:
    """A Windows error in words that say what to do, where we know it."""
    return _WORDS.get(error, f"Windows error {error}")
