"""A datapath that is opened, and changed, in a thread of its own: the loop never waits for the system.

Opening handles takes a tenth of a second on a quiet machine and seconds on a busy one, and a busy one is where it
matters. So the loop says what it wants at any time; the thread opens, and puts the latest wish in force. Wishes that
were replaced before their turn are never tried. What goes wrong there is told by ``failed``.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from enforcer.datapath.interface import Datapath, DatapathFactory
from enforcer.qdisc.classifier import ClassStats, RateLimits
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.policy.applications import ProcessIdentity

CLOSE_S: Final = 5.0
"""Closing waits so long for an opening that is under way; later the thread itself closes what it opened."""
BUSY_S: Final = 0.02
"""The loop waits so long for a change that is under way; then it takes what was known before."""
_NOBODY: Final[Mapping[str, ProcessIdentity]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InBackground:
    """The factory: the same kind of datapath as ``inner``'s, opened in the background."""

    inner: DatapathFactory

    def available(self) -> str | None:
        """Why it cannot work on this machine now, or None."""
        return self.inner.available()

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> "BackgroundDatapath":
        """Begin to open; raises nothing: what goes wrong is told by ``failed``."""
        return BackgroundDatapath(
            lambda: self.inner.open(max_packet_rate=max_packet_rate, hold_off_ns=hold_off_ns, own=own), own
        )

    def tidy(self) -> None:
        """Take away what a process that died left in the system. Raises OSError."""
        self.inner.tidy()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the loop wants now. ``rates`` None: nothing yet."""

    own: frozenset[int]
    rates: Mapping[str, RateLimits] | None = None
    ready: bool = False


class BackgroundDatapath:
    """See the module. The loop's thread calls, the worker owns the inner datapath until it is closed."""

    def __init__(self, open_it: Callable[[], Datapath], own: frozenset[int]) -> None:
        self._open_it = open_it
        self._inner: Datapath | None = None
        self._failed: str | None = None
        self._wish = _Wish(own)
        self._max_packet_rate: tuple[int | None] | None = None
        self._notes: deque[str] = deque()
        self._lock = threading.Lock()
        self._using = threading.Lock()
        """Held while the inner datapath is asked or changed: it knows one thread at a time."""
        self._stats: dict[str, dict[Direction, ClassStats]] = {}
        self._described = EngineReport()
        self._news, self._turned = threading.Event(), threading.Event()
        self._closing: str | None = None
        self._held: frozenset[str] = frozenset()
        self._begun = False
        self._thread = threading.Thread(target=self._work, name="enforcer-datapath", daemon=True)
        self._thread.start()

    # -- the loop's side --------------------------------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether it is open by now, with the first rates in force."""
        return self._inner is not None and (self._begun or not self._wish.rates)

    @property
    def in_force(self) -> bool:
        """Whether everybody who shall be held is held by now."""
        wished = self._wish.rates
        return self._inner is not None and (not wished or wished.keys() <= self._held)

    @property
    def failed(self) -> str | None:
        """Why it could not be opened or changed, or why it let go by itself."""
        return self._failed or (self._inner.failed if self._inner is not None else None)

    @property
    def present(self) -> frozenset[str]:
        """The applications that have flows; none before it is open."""
        return self._inner.present if self._inner is not None else frozenset()

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """What is known of the applications met so far."""
        return self._inner.identities if self._inner is not None else _NOBODY

    def wait(self, seconds: float) -> bool:
        """Return after ``seconds``, or (True) as soon as it is open, or a flow came that changes something."""
        if self._inner is not None:
            return self._inner.wait(seconds)
        return self._turned.wait(seconds)

    def refresh(self, own: frozenset[int]) -> None:
        """See soon who has which flows."""
        with self._lock:
            self._wish = _Wish(own, self._wish.rates, self._wish.ready)
        self._news.set()

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        """Counters of every class in force; while it is being changed for long, those of the last time."""
        if self._inner is not None and self._using.acquire(timeout=BUSY_S):
            try:
                self._stats = self._inner.stats()
            finally:
                self._using.release()
        return self._stats

    def set_rates(self, rates: Mapping[str, RateLimits], *, ready: bool = False) -> None:
        """Hold these applications to these rates as soon as possible."""
        with self._lock:
            self._wish = _Wish(self._wish.own, dict(rates), ready)
        self._news.set()

    def set_max_packet_rate(self, rate: int | None) -> None:
        """Packets a second above which it gives up."""
        with self._lock:
            self._max_packet_rate = (rate,)
        self._news.set()

    def take_notes(self) -> list[str]:
        """What happened since the last call."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def describe(self) -> EngineReport:
        """For the ``limits`` document."""
        if self._inner is not None and self._using.acquire(timeout=BUSY_S):
            try:
                self._described = self._inner.describe()
            finally:
                self._using.release()
        return self._described

    def close(self, reason: str) -> None:
        """Let every packet go. Safe to call twice, and while it is being opened."""
        with self._lock:
            if self._closing is not None:
                return
            self._closing = reason
        self._news.set()
        self._thread.join(CLOSE_S)

    # -- the worker -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        doing = "a handle could not be opened"
        inner: Datapath | None = None
        try:
            inner = self._inner = self._open_it()
            self._turned.set()
            while self._closing is None:
                self._news.clear()
                with self._lock:
                    wish, most, self._max_packet_rate = self._wish, self._max_packet_rate, None
                with self._using:
                    if most is not None:
                        inner.set_max_packet_rate(most[0])
                    doing = "the socket table cannot be read"
                    inner.refresh(wish.own)
                    doing = "a handle could not be opened"
                    if wish.rates is not None:
                        inner.set_rates(wish.rates, ready=wish.ready)
                        self._held, self._begun = frozenset(wish.rates), True
                    self._notes.extend(inner.take_notes())
                if self._closing is None:
                    self._news.wait()
        except (OSError, ValueError) as error:
            self._failed = f"{doing}: {error}"
            self._turned.set()
        except BaseException as error:
            self._failed = f"the datapath's thread failed: {type(error).__name__}: {error}"
            self._turned.set()
            raise
        finally:
            if inner is not None:
                while self._closing is None:  # it failed; the loop closes it in its next round
                    self._news.clear()
                    if self._closing is None:
                        self._news.wait()
                inner.close(self._closing)
