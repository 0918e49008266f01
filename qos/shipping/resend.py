"""Sends a span of the local store again: for a server that lost it, a fresh one, or a conflict that is gone.

Raw rows that the store still has, the coarse history of the span, and the lines that were set aside. The same series
and time replace the row, so it may run twice, beside the shipper, and be stopped at any moment. It keeps to a rate,
waits while the server is away and stops when access is denied.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from qos.contract.coarse import WIDTHS_NS
from qos.shipping.delivery import Delivery, Rejected
from qos.shipping.outcomes import Retry
from qos.shipping.shipper import LineWriter
from qos.store.sqlite.line_protocol import Lines
from qos.system.clock import NS_PER_S, SYSTEM, Clock

_LONGEST_WAIT_S: Final = 30.0
_COARSE_AT_ONCE: Final = {"5m": 6 * 3600 * NS_PER_S, "1h": 48 * 3600 * NS_PER_S}


class SpanSource(Protocol):
    """``qos.store.sqlite.line_protocol.JournalReader``."""

    def between(self, start_ns: int, stop_ns: int) -> Iterator[Lines]:
        """Every raw row kept of [start, stop)."""

    def coarse_lines(self, width_ns: int, start_ns: int, stop_ns: int) -> list[str]:
        """The coarse rows of the whole windows in [start, stop)."""


@dataclass(slots=True)
class Resent:
    """What came of it so far."""

    rows: int = 0
    history_rows: int = 0
    again: int = 0
    """Lines that were set aside and are taken now."""
    too_old: int = 0
    """Lines beyond the bucket's retention."""
    rejected: list[Rejected] = field(default_factory=list)
    waiting: str = ""
    """Why it waits now."""
    stage: str = ""
    """What is sent now, and from when on."""


class Resend:
    """One run. ``writers`` has the raw bucket under "" and the coarse ones under their retention policies."""

    def __init__(
        self,
        source: SpanSource,
        writers: Mapping[str, LineWriter],
        *,
        rate: int,
        batch: int,
        address: str,
        stop: threading.Event,
        tell: Callable[[Resent], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        if rate < 1:
            raise ValueError(f"rate: {rate} rows a second send nothing")
        self._source, self._writers, self._rate, self._batch = source, writers, rate, batch
        self._address, self._stop, self._tell, self._clock = address, stop, tell, clock
        self._largest = batch
        self._accepted = False
        self.done = Resent()

    def run(self, start_ns: int, stop_ns: int, set_aside: list[str]) -> Resent:
        """Send [start, stop). Raises ConfigError when access is denied; ends early when told to stop."""
        self.done.stage = "points that were set aside"
        self.done.again = self._send("", set_aside)
        for lines in self._source.between(start_ns, stop_ns):
            self.done.stage = "raw rows"
            self.done.rows += self._send("", lines.lines)
            if self._stop.is_set():
                return self.done
        for policy, width_ns in WIDTHS_NS.items():
            if policy not in self._writers:
                continue
            at_ns = start_ns // width_ns * width_ns
            # A window that is not over would be sent as if it were.
            until_ns = min(stop_ns, self._clock.wall_ns()) // width_ns * width_ns
            while at_ns < until_ns and not self._stop.is_set():
                next_ns = min(until_ns, at_ns + _COARSE_AT_ONCE[policy])
                self.done.stage = f"windows of {policy}"
                self.done.history_rows += self._send(policy, self._source.coarse_lines(width_ns, at_ns, next_ns))
                at_ns = next_ns
        self._tell(self.done)
        return self.done

    def _send(self, policy: str, lines: "list[str] | tuple[str, ...]") -> int:
        """How many lines the server took."""
        taken = 0
        for start in range(0, len(lines), self._batch):
            taken += self._deliver(policy, lines[start : start + self._batch])
            if self._stop.is_set():
                break
        return taken

    def _deliver(self, policy: str, lines: "list[str] | tuple[str, ...]") -> int:
        wait_s = 1.0
        while not self._stop.is_set():
            began_ns = self._clock.monotonic_ns()
            delivery = Delivery(lines, largest=self._largest, trusted=self._accepted)
            while (chunk := delivery.chunk()) is not None:
                delivery.answer(self._writers[policy].write(chunk))
            self._accepted |= delivery.accepted > 0
            failure = delivery.failure
            if failure is None:
                self._largest = delivery.largest
                kept = [item for item in delivery.rejected if not item.too_old]
                self.done.too_old += len(delivery.rejected) - len(kept)
                self.done.rejected += kept
                self.done.waiting = ""
                self._tell(self.done)
                spent_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
                self._stop.wait(max(0.0, len(lines) / self._rate - spent_s))
                return delivery.accepted
            if not isinstance(failure, Retry):
                from qos.shipping.client import raised

                raise raised(self._address, failure)
            self.done.waiting = failure.reason
            self._tell(self.done)
            self._stop.wait(max(wait_s, failure.after_s or 0.0))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return 0
