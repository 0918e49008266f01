"""The shipper's turn: ask the schedule what to do, read lines, send them, note what became of them.

It blocks only in ``write``. Everything it touches comes from outside, so a test drives it with a scripted writer and a
clock of its own. ``status`` is a frozen snapshot for the thread that reports.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from qos.shipping.delivery import Delivery, Rejected
from qos.shipping.outcomes import Denied, Retry, WriteOutcome
from qos.shipping.schedule import Lane, Positions, SendSchedule, SentPositions, Wait
from qos.store.sqlite.line_protocol import Lines
from qos.system.clock import NS_PER_S, SYSTEM, Clock

_TRUST_NS: Final = 60 * NS_PER_S
_log = logging.getLogger(__name__)


class LineWriter(Protocol):
    """Where lines go."""

    def write(self, lines: Sequence[str]) -> WriteOutcome:
        """Send them. Never raises for what a server may do."""


class LineSource(Protocol):
    """Where lines come from."""

    def read(self, after: Mapping[str, int], until: Mapping[str, int] | None, limit: int) -> Lines:
        """At most ``limit`` rows beyond ``after`` and up to ``until``."""

    def head(self) -> dict[str, int]:
        """The newest position of every measurement."""


@dataclass(frozen=True, slots=True)
class ShippingStatus:
    """How shipping goes. Counters since the start."""

    state: str = "starting"
    sent: int = 0
    rejected: int = 0
    failures: int = 0
    last_error: str = ""
    last_rejected: str = ""
    """Why the last batch had lines set aside; empty when it had none."""
    too_old: int = 0
    """Lines beyond the bucket's retention: the server keeps them no more, so they are not set aside."""
    live_after: Positions | None = None
    backlog_after: Positions | None = None
    backlog_until: Positions | None = None


class Shipper:
    """One turn at a time. ``acknowledge`` moves the durable cursor; ``set_aside`` keeps lines that are refused."""

    def __init__(
        self,
        *,
        source: LineSource,
        writer: LineWriter,
        acknowledge: Callable[[Positions], None],
        set_aside: Callable[[Sequence[Rejected]], object],
        settled: Positions,
        schedule: SendSchedule,
        clock: Clock = SYSTEM,
    ) -> None:
        self.writer = writer
        self._source, self._acknowledge, self._set_aside = source, acknowledge, set_aside
        self._schedule, self._clock = schedule, clock
        self._positions = SentPositions(settled, source.head())
        self._largest: dict[Lane, int] = {}
        self._accepted_ns: int | None = None
        self.status = ShippingStatus()
        self._publish("catching up")

    def turn(self) -> int:
        """Do one thing. Returns how long there is nothing to do, nanoseconds. Raises StoreUnavailable."""
        now_ns = self._clock.monotonic_ns()
        step = self._schedule.next(now_ns, backlog=self._positions.catching_up)
        if isinstance(step, Wait):
            return max(0, step.until_ns - now_ns)
        batch = self._source.read(self._positions.after(step.lane), self._positions.until(step.lane), step.limit)
        if batch.lines:
            self._send(step.lane, batch, now_ns, more=len(batch.lines) >= step.limit)
        elif step.lane == "live":
            self._schedule.idle(now_ns)
        else:
            self._positions.caught_up()
            self._publish("shipping")
        if (settled := self._positions.settle(self._clock.monotonic_ns())) is not None:
            self._acknowledge(settled)
        return 0

    def _send(self, lane: Lane, batch: Lines, began_ns: int, *, more: bool) -> None:
        trusted = self._accepted_ns is not None and began_ns - self._accepted_ns < _TRUST_NS
        # Twice what last fitted: a server that once said "too large" is tried with more again, by and by.
        largest = min(len(batch.lines), 2 * self._largest.get(lane, len(batch.lines)))
        delivery = Delivery(batch.lines, largest=largest, trusted=trusted)
        while (chunk := delivery.chunk()) is not None:
            delivery.answer(self.writer.write(chunk))
        now_ns = self._clock.monotonic_ns()
        if delivery.accepted:
            self._accepted_ns = now_ns
        if delivery.failure is not None:
            self._failed(delivery.failure, began_ns, now_ns)
            return
        if delivery.largest < largest:
            self._largest[lane] = delivery.largest
        else:
            self._largest.pop(lane, None)
        if delivery.rejected:
            self._reject(delivery.rejected)
        self._positions.moved(lane, batch.reached, now_ns)
        self._schedule.sent(lane, len(batch.lines), began_ns, now_ns, more=more)
        last_rejected = next((item.reason for item in delivery.rejected if not item.too_old), "")
        self.status = replace(
            self.status, sent=self.status.sent + delivery.accepted, last_error="", last_rejected=last_rejected
        )
        self._publish("catching up" if self._positions.catching_up else "shipping")

    def _failed(self, failure: Retry | Denied, began_ns: int, now_ns: int) -> None:
        denied = isinstance(failure, Denied)
        wait_ns = self._schedule.failed(failure, now_ns, now_ns - began_ns)
        lost = isinstance(failure, Retry) and failure.lost_contact
        self._positions.fell_behind(self._source.head(), now_ns, lost_contact=lost)
        _log.debug("not shipped, kept: %s; next try in %.1f s", failure.reason, wait_ns / NS_PER_S)
        self.status = replace(self.status, failures=self.status.failures + 1, last_error=failure.reason)
        self._publish("refused" if denied else "waiting")

    def _reject(self, rejected: Sequence[Rejected]) -> None:
        kept = [item for item in rejected if not item.too_old]
        if kept:
            self._set_aside(kept)
        self.status = replace(
            self.status,
            rejected=self.status.rejected + len(kept),
            too_old=self.status.too_old + len(rejected) - len(kept),
        )

    def _publish(self, state: str) -> None:
        positions = self._positions
        self.status = replace(
            self.status,
            state=state,
            live_after=dict(positions.after("live")),
            backlog_after=dict(positions.after("backlog")) if positions.catching_up else None,
            backlog_until=dict(positions.until("backlog") or {}) if positions.catching_up else None,
        )
