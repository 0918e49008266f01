"""What the interfaces counted and no application was named for: the remainder, settled so that bytes are conserved.

Pure. Interfaces and applications are not read at the same instant, and some backends name a packet a little after it
was counted. Counted bytes are therefore held for ``HOLD_NS`` and settled by what is attributed meanwhile, oldest first;
only what is left of them then is reported. So the sum of applications and remainder stays the sum of the interfaces.
What is attributed beyond all that is held is taken off the next tick's bytes and then forgotten, so that traffic which
never passes a counted interface cannot hide another's.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

HOLD_NS: Final = 900_000_000
"""One tick of a second, and a little less, so that a tick that comes a little early does not hold for two."""


@dataclass(slots=True)
class _Held:
    since_ns: int
    by_interface: dict[str, int]


class Remainder:
    """One direction's remainder."""

    def __init__(self, hold_ns: int = HOLD_NS) -> None:
        self._hold_ns = hold_ns
        self._held: deque[_Held] = deque()
        self._ahead = 0

    @property
    def held(self) -> int:
        """Bytes that wait to be settled or reported."""
        return sum(sum(entry.by_interface.values()) for entry in self._held)

    def settle(
        self, clock_ns: int, counted: Mapping[str, int], attributed: int, *, late_ns: int = 0, last: bool = False
    ) -> dict[str, int]:
        """Take in one tick and return what is reported now, for each interface in ``counted``.

        ``clock_ns`` only ever grows (monotonic); ``late_ns``: bytes may be named so long after they were counted (at
        least ``HOLD_NS``); ``last`` reports everything that is still held.
        """
        if counted:
            self._held.append(_Held(clock_ns, dict(counted)))
        left = self._take(attributed + self._ahead)
        self._ahead = min(left, attributed)
        return self._report(clock_ns, counted, max(self._hold_ns, late_ns), last)

    def _take(self, amount: int) -> int:
        """Settle held bytes, oldest first; what there was nothing to settle with."""
        for entry in self._held:
            names = list(entry.by_interface)
            part = min(amount, sum(entry.by_interface.values()))
            for name, share in zip(names, shares(part, [entry.by_interface[n] for n in names]), strict=True):
                entry.by_interface[name] -= share
            amount -= part
            if not amount:
                break
        return amount

    def _report(self, clock_ns: int, counted: Mapping[str, int], hold_ns: int, last: bool) -> dict[str, int]:
        report = dict.fromkeys(counted, 0)
        if not report:
            return report
        first = next(iter(report))
        while self._held and (last or clock_ns - self._held[0].since_ns >= hold_ns):
            for name, part in self._held.popleft().by_interface.items():
                report[name if name in report else first] += part  # an interface that is gone: its bytes are not
        return report


def shares(whole: int, weights: Sequence[int]) -> list[int]:
    """``whole`` split in proportion to ``weights``, in integers that add up to it (all zero without any weight)."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    passed = given = 0
    result = []
    for weight in weights:
        passed += weight
        upto = whole * passed // total
        result.append(upto - given)
        given = upto
    return result
