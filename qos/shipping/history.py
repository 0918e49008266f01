"""Ships the coarse history: windows that are over go to the buckets ``…/5m`` and ``…/1h``, the newest first.

It only has its turn when no raw row is due and the server takes those, and then leaves the machine three times as long
alone as it worked. A window is forgotten a minute after the server took it (docs/decisions/0030), or sent again when
contact was lost meanwhile.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from qos.contract.coarse import WIDTHS_NS
from qos.shipping.delivery import Delivery, Rejected
from qos.shipping.outcomes import Denied, Retry
from qos.shipping.schedule import SETTLE_NS
from qos.shipping.shipper import LineWriter
from qos.store.sqlite.coarse import CoarseWindow
from qos.system.clock import NS_PER_S, SYSTEM, Clock

_LOOK_EVERY_NS: Final = 10 * NS_PER_S
_LINES_AT_ONCE: Final = 2_000
_WINDOWS_AT_ONCE: Final = 50
_FIRST_WAIT_NS: Final = 5 * NS_PER_S
_LONGEST_WAIT_NS: Final = 300 * NS_PER_S


class HistorySource(Protocol):
    """Where windows come from: ``qos.store.sqlite.line_protocol.JournalReader``."""

    def coarse_due(self, now_ns: int, limit: int) -> list[CoarseWindow]:
        """At most ``limit`` windows that are over, the newest first."""

    def coarse_waiting(self, now_ns: int) -> int:
        """How many windows are over and not shipped."""

    def coarse_lines(self, width_ns: int, start_ns: int, stop_ns: int) -> list[str]:
        """The coarse rows of the whole windows in [start, stop)."""


class HistoryShipper:
    """One request per ``turn``. ``writers``: one per retention policy of ``qos.contract.coarse.WIDTHS_NS``, or none."""

    def __init__(
        self,
        *,
        source: HistorySource,
        writers: Mapping[str, LineWriter],
        shipped: Callable[[Iterable[int]], None],
        set_aside: Callable[[Sequence[Rejected]], object],
        clock: Clock = SYSTEM,
    ) -> None:
        self._source, self._writers = source, writers
        self._shipped, self._set_aside, self._clock = shipped, set_aside, clock
        self._policies = {width_ns: policy for policy, width_ns in WIDTHS_NS.items()}
        self._due_ns = 0
        self._failures = 0
        self._settling: dict[int, int] = {}
        self._jitter = random.Random()
        self.sent = 0
        """Rows that the server took."""
        self.refused: str = ""
        """Why it takes none now; empty when it does."""

    def waiting(self, now_ns: int) -> int:
        """How many windows are over (``now_ns`` is UTC) and have not arrived; 0 where none are shipped."""
        return self._source.coarse_waiting(now_ns) if self._writers else 0

    def lost_contact(self) -> None:
        """The server may have forgotten what it took in the last minute: those windows are due again."""
        self._settling.clear()

    def turn(self) -> int:
        """Send some windows if it is time. Returns how long there is nothing to do, ns. Raises StoreUnavailable."""
        now_ns = self._clock.monotonic_ns()
        self._settle(now_ns)
        if not self._writers:
            return _LOOK_EVERY_NS
        if now_ns < self._due_ns:
            return self._due_ns - now_ns
        found = self._source.coarse_due(self._clock.wall_ns(), _WINDOWS_AT_ONCE + len(self._settling))
        windows = [window for window in found if window.number not in self._settling]
        if not windows:
            self._due_ns = now_ns + _LOOK_EVERY_NS
            return _LOOK_EVERY_NS
        # Windows of one width share a request; a policy that is refused must not hold up the other for ever.
        width_ns = windows[self._failures % len(windows)].width_ns
        self._send(width_ns, [window for window in windows if window.width_ns == width_ns][:_WINDOWS_AT_ONCE], now_ns)
        return max(0, self._due_ns - self._clock.monotonic_ns())

    def _settle(self, now_ns: int) -> None:
        ripe = [number for number, sent_ns in self._settling.items() if now_ns - sent_ns >= SETTLE_NS]
        if ripe:
            self._shipped(ripe)
            for number in ripe:
                del self._settling[number]

    def _send(self, width_ns: int, windows: Sequence[CoarseWindow], began_ns: int) -> None:
        lines: list[str] = []
        taken: list[CoarseWindow] = []
        for window in windows:
            if len(lines) >= _LINES_AT_ONCE:
                break
            lines += self._source.coarse_lines(width_ns, window.start_ns, window.start_ns + width_ns)
            taken.append(window)
        delivery = Delivery(lines, largest=max(1, len(lines)), trusted=self.sent > 0)
        writer = self._writers[self._policies[width_ns]]
        while (chunk := delivery.chunk()) is not None:
            delivery.answer(writer.write(chunk))
        now_ns = self._clock.monotonic_ns()
        self.sent += delivery.accepted
        if delivery.failure is not None:
            self._failed(delivery.failure, now_ns)
            return
        self._failures, self.refused = 0, ""
        kept = [item for item in delivery.rejected if not item.too_old]
        if kept:
            self._set_aside(kept)
        self._settling.update((window.number, now_ns) for window in taken)
        self._due_ns = now_ns + 3 * (now_ns - began_ns)

    def _failed(self, failure: Retry | Denied, now_ns: int) -> None:
        self._failures += 1
        wait_ns = min(_LONGEST_WAIT_NS, _FIRST_WAIT_NS << min(self._failures - 1, 10))
        wait_ns = wait_ns // 2 + self._jitter.randrange(wait_ns // 2 + 1)
        if isinstance(failure, Retry):
            if failure.after_s is not None:
                wait_ns = max(wait_ns, int(failure.after_s * NS_PER_S))
            if failure.lost_contact:
                self.lost_contact()
        else:
            self.refused = failure.reason
        self._due_ns = now_ns + wait_ns
