"""When to send what: live points first, the backlog in the room that is left, nothing while the server needs a rest.

Sans-io; ``now_ns`` is monotonic. Two cores. ``SendSchedule`` decides whose turn it is: the live lane is looked at every
interval and before every batch of the backlog, the backlog keeps to ``catch_up`` rows a second and to batches that the
server takes in well under a second, and a failure makes both wait with exponential backoff and jitter, or as long as
the server asked. A server that is there and does not get done in time (``Retry.lost_contact`` is false) gets rests
that are longer than its answers took, and then fewer, larger writes: what it refused it often still works at, so a
fleet that came back at once would keep it there for good. ``SentPositions`` knows what the live lane has reached, what
of the backlog is left, and what the durable cursor may acknowledge.

The cursor follows a minute late. A server that was killed may forget what it had accepted (victoria-metrics keeps it
in memory for more than 8 s, docs/decisions/0030), so after lost contact, and after our own restart, the last minute is
sent again: the same series and time replace the row, so nothing is doubled. Contact that is lost again and again must
not make us send the same minute for ever, so that happens once in ten minutes at most.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from qos.shipping.outcomes import Denied, Retry
from qos.system.clock import NS_PER_S

Positions = Mapping[str, int]
Lane = Literal["live", "backlog"]

LIVE_EVERY_NS: Final = NS_PER_S
SETTLE_NS: Final = 60 * NS_PER_S
REWIND_EVERY_NS: Final = 600 * NS_PER_S
_MARK_NS: Final = 5 * NS_PER_S
_FIRST_WAIT_NS: Final = NS_PER_S
_LONGEST_WAIT_NS: Final = 15 * NS_PER_S
_LONGEST_BUSY_WAIT_NS: Final = 120 * NS_PER_S
_SLOWEST_LIVE_NS: Final = 60 * NS_PER_S
_DENIED_WAIT_NS: Final = 60 * NS_PER_S
_SLOW_NS: Final = NS_PER_S
_FAST_NS: Final = NS_PER_S // 4
_SMALLEST_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """Read at most ``limit`` rows of ``lane`` and send them."""

    lane: Lane
    limit: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until_ns``."""

    until_ns: int


class SendSchedule:
    """Whose turn it is. ``catch_up`` is rows a second for the backlog, ``batch`` rows at most at once.

    ``live_every_ns``: the live lane sends once in that time, the agent's interval, so that a fleet makes one write per
    computer and interval.
    """

    def __init__(
        self, *, batch: int, catch_up: int, live_every_ns: int = LIVE_EVERY_NS, seed: int | None = None
    ) -> None:
        self._batch, self._catch_up = batch, catch_up
        self._live_every_ns = self._pace_ns = live_every_ns
        self._jitter = random.Random(seed)
        self._backlog_batch = batch
        self._live_due_ns: int | None = None
        self._rest_until_ns: int | None = None
        self._failures = 0
        # Rows the backlog may send now, times NS_PER_S, so that the arithmetic stays in integers.
        self._credit = 0
        self._credit_ns: int | None = None

    def next(self, now_ns: int, *, backlog: bool) -> Turn | Wait:
        """The next thing to do; ``backlog`` says whether there is one."""
        if self._rest_until_ns is not None and now_ns < self._rest_until_ns:
            return Wait(self._rest_until_ns)
        if self._live_due_ns is None or now_ns >= self._live_due_ns:
            return Turn("live", self._batch)
        if not backlog:
            return Wait(self._live_due_ns)
        self._earn(now_ns)
        rows = min(self._backlog_batch, self._credit // NS_PER_S)
        wanted = min(self._backlog_batch, self._catch_up)
        if rows >= wanted:
            return Turn("backlog", rows)
        missing = wanted * NS_PER_S - self._credit
        return Wait(min(self._live_due_ns, now_ns + -(-missing // self._catch_up)))

    def _earn(self, now_ns: int) -> None:
        if self._credit_ns is not None:
            most = max(self._catch_up, self._backlog_batch) * NS_PER_S
            self._credit = min(most, self._credit + (now_ns - self._credit_ns) * self._catch_up)
        self._credit_ns = now_ns

    def sent(self, lane: Lane, rows: int, began_ns: int, now_ns: int, *, more: bool) -> None:
        """A turn ended well. ``more``: its lane was read up to the limit, so there is more of it."""
        self._failures = 0
        self._rest_until_ns = None
        if lane == "live":
            if now_ns - began_ns < _SLOW_NS:
                self._pace_ns = max(self._live_every_ns, self._pace_ns * 9 // 10)
            self._live_due_ns = now_ns if more else began_ns + self._pace_ns
            return
        self._credit = max(0, self._credit - rows * NS_PER_S)
        took_ns = now_ns - began_ns
        if took_ns > _SLOW_NS:
            self._backlog_batch = max(min(_SMALLEST_BATCH, self._batch), self._backlog_batch // 2)
        elif took_ns < _FAST_NS:
            self._backlog_batch = min(self._batch, self._backlog_batch * 2)

    def idle(self, now_ns: int) -> None:
        """The live lane had nothing."""
        self._live_due_ns = now_ns + self._pace_ns

    def failed(self, failure: Retry | Denied, now_ns: int, took_ns: int = 0) -> int:
        """A turn that took ``took_ns`` failed: how long to rest, nanoseconds.

        Jitter keeps a fleet from coming back at the same instant.
        """
        self._failures += 1
        doubled = min(self._failures - 1, 10)
        if isinstance(failure, Denied):
            wait_ns = _DENIED_WAIT_NS
        elif failure.lost_contact:
            wait_ns = min(_LONGEST_WAIT_NS, _FIRST_WAIT_NS << doubled)
        else:
            wait_ns = min(_LONGEST_BUSY_WAIT_NS, max(_FIRST_WAIT_NS, 2 * took_ns) << doubled)
            self._pace_ns = max(self._live_every_ns, min(_SLOWEST_LIVE_NS, 2 * self._pace_ns))
        wait_ns = wait_ns // 2 + self._jitter.randrange(wait_ns // 2 + 1)
        if isinstance(failure, Retry) and failure.after_s is not None:
            wait_ns = max(wait_ns, int(failure.after_s * NS_PER_S))
        self._rest_until_ns = now_ns + wait_ns
        self._live_due_ns = self._rest_until_ns
        self._credit, self._credit_ns = 0, None
        return wait_ns


class SentPositions:
    """What has been sent, as positions per measurement. ``settled`` is where the durable cursor stands."""

    def __init__(self, settled: Positions, head: Positions) -> None:
        self._settled = dict(settled)
        self._live = dict(head)
        self._backlog: dict[str, int] | None = dict(settled)
        self._end: Positions = dict(head)
        self._marks: deque[tuple[int, dict[str, int]]] = deque()
        self._rewound_ns: int | None = None

    def after(self, lane: Lane) -> Positions:
        """Read rows beyond these positions."""
        return self._live if lane == "live" or self._backlog is None else self._backlog

    def until(self, lane: Lane) -> Positions | None:
        """And up to these; None: to the end."""
        return self._end if lane == "backlog" else None

    @property
    def catching_up(self) -> bool:
        """Whether there is a backlog."""
        return self._backlog is not None

    def moved(self, lane: Lane, reached: Positions, now_ns: int) -> None:
        """Rows up to ``reached`` are sent."""
        if lane == "live":
            self._live.update(reached)
        elif self._backlog is not None:
            self._backlog.update(reached)
        self._mark(now_ns)

    def _mark(self, now_ns: int) -> None:
        sent = self._sent()
        if not self._marks:
            if sent != self._settled:
                self._marks.append((now_ns, sent))
        elif now_ns - self._marks[-1][0] >= _MARK_NS and sent != self._marks[-1][1]:
            self._marks.append((now_ns, sent))

    def _sent(self) -> dict[str, int]:
        return dict(self._live if self._backlog is None else self._backlog)

    def caught_up(self) -> None:
        """The backlog is empty."""
        self._backlog = None

    def fell_behind(self, head: Positions, now_ns: int, *, lost_contact: bool) -> None:
        """Sending failed: what is not sent up to ``head`` is backlog now, after lost contact with the last minute."""
        rewind = lost_contact and (self._rewound_ns is None or now_ns - self._rewound_ns >= REWIND_EVERY_NS)
        if rewind:
            self._rewound_ns = now_ns
            self._marks.clear()
        # Rows between the old backlog's end and the live lane were sent already; sending them again is harmless.
        self._backlog = dict(self._settled) if rewind else self._sent()
        self._live, self._end = dict(head), dict(head)

    def settle(self, now_ns: int) -> Positions | None:
        """Positions that the durable cursor may acknowledge now, if any."""
        self._mark(now_ns)
        ripe = None
        while self._marks and now_ns - self._marks[0][0] >= SETTLE_NS:
            ripe = self._marks.popleft()[1]
        if ripe is None or ripe == self._settled:
            return None
        self._settled = ripe
        return ripe
