"""One batch on its way: halved when it is too large, bisected to the bad lines, which are set aside with their reason.

Sans-io: ``chunk`` says which lines to send next, ``answer`` takes what became of them. A line is only set aside when
the server has proved that it takes others (an accepted chunk, points it says it dropped, or ``trusted``: it accepted
something a moment ago). A server or proxy that refuses every line is a person's problem, and nothing is thrown away:
the search then looks at lines far apart and gives up after eight.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qos.shipping.outcomes import BadLines, Denied, Ok, Retry, TooLarge, WriteOutcome

_GIVE_UP_AFTER: Final = 8


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that the server will never take."""

    line: str
    reason: str

    @property
    def too_old(self) -> bool:
        """Whether it lies beyond the bucket's retention: nobody will ever take it, and nothing is wrong with it."""
        return "retention policy" in self.reason


class Delivery:
    """The lines of one batch. ``largest`` is how many may go at once; it shrinks when the server says "too large"."""

    def __init__(self, lines: Sequence[str], *, largest: int, trusted: bool = False) -> None:
        self._lines = lines
        self._trusted = trusted
        self._accepted = 0
        self._suspects: list[Rejected] = []
        self._proved: list[Rejected] = []
        self._failure: Retry | Denied | None = None
        self.largest = max(1, largest)
        # A stack of [start, stop) still to send, the first on top.
        self._todo = deque([(0, len(lines))] if lines else [])
        self._look_elsewhere = False

    @property
    def failure(self) -> Retry | Denied | None:
        """Why the batch cannot go on now; everything in it has to be sent again later."""
        return self._failure

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Lines set aside. Final when ``chunk`` is None and there is no ``failure``."""
        return (*self._proved, *self._suspects)

    @property
    def accepted(self) -> int:
        """Lines that the server kept."""
        return self._accepted

    def chunk(self) -> Sequence[str] | None:
        """The lines to send now; None when there is nothing more to do."""
        if self._failure is not None:
            return None
        doubtful = bool(self._suspects) and not (self._accepted or self._proved or self._trusted)
        if doubtful and (not self._todo or len(self._suspects) >= _GIVE_UP_AFTER):
            self._failure = Denied(f"every line is refused: {self._suspects[0].reason}")
            return None
        if not self._todo:
            return None
        start, stop = self._todo.popleft() if doubtful and self._look_elsewhere else self._todo.pop()
        self._look_elsewhere = False
        if stop - start > self.largest:
            self._todo.append((start + self.largest, stop))
            stop = start + self.largest
        self._todo.append((start, stop))
        return self._lines[start:stop]

    def answer(self, outcome: WriteOutcome) -> None:
        """What became of the last ``chunk``."""
        start, stop = self._todo.pop()
        count = stop - start
        match outcome:
            case Ok():
                self._accepted += count
            case Retry() | Denied():
                self._failure = outcome
            case TooLarge(reason=reason):
                if count == 1:
                    self._set_aside(start, stop, reason, proved=False)
                else:
                    self.largest = (count + 1) // 2
                    self._todo.append((start, stop))
            case BadLines(reason=reason, dropped=dropped):
                if dropped is not None and dropped >= count:
                    self._set_aside(start, stop, reason, proved=True)
                elif count == 1:
                    self._set_aside(start, stop, reason, proved=dropped is not None)
                else:
                    if dropped is not None:
                        self._trusted = True
                    middle = (start + stop) // 2
                    self._todo += [(middle, stop), (start, middle)]

    def _set_aside(self, start: int, stop: int, reason: str, *, proved: bool) -> None:
        self._look_elsewhere = True
        (self._proved if proved else self._suspects).extend(Rejected(line, reason) for line in self._lines[start:stop])
