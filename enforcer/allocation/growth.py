"""Growth: how much of the known capacity is used, and how a budget looks for more.

After a queue was drained the budget starts a little below the capacity at which it stood, stays below it for a while,
and then grows faster and faster: a short probe. If a queue forms, that happens within a few hundredths above the
capacity, where the steps are small, so the probe costs milliseconds; if none does, the line carries more, and the
budget has doubled after another second. Growth counts only the time in which somebody wants more.

Sources: the shape is CUBIC's (RFC 9438 §4.2: plateau at the last known maximum, then convex); BBR's ProbeBW (short
probes above the estimate, then a drain below it).
"""

import math
from typing import Final

_MS: Final = 10**6
START: Final = 0.94
PLATEAU: Final = 0.975
REST_NS: Final = 300 * _MS
"""How long the budget starts low."""
PROBE_NS: Final = 1_600 * _MS
"""When growth begins to look for more."""
STEP_NS: Final = 250 * _MS
_STEP: Final = 0.02
MOST: Final = 4.0
MOST_FREE: Final = 0.9


def used_ratio(grown_ns: int) -> float:
    """The budget's ratio to the capacity, after so long in which somebody wanted more."""
    if grown_ns <= REST_NS:
        return START
    if grown_ns <= PROBE_NS:
        return START + (PLATEAU - START) * (grown_ns - REST_NS) / (PROBE_NS - REST_NS)
    return min(MOST, PLATEAU * (1 + _STEP * (2 ** ((grown_ns - PROBE_NS) / STEP_NS) - 1)))


def rebased_ns(grown_ns: int, more: float) -> int:
    """The time at which the budget grows as fast as now, once the capacity is known to be ``more`` times as much.

    The look for more goes on where it was: reckoned from the new capacity's plateau it took ten seconds to find a line
    of ten times what was known.
    """
    if grown_ns <= PROBE_NS:
        return grown_ns
    return max(PROBE_NS, grown_ns - int(math.log2(more) * STEP_NS))


def drain_ratio(queue_ns: int) -> float:
    """How much of the capacity is used while a queue of that length empties: the longer it is, the less."""
    return max(0.1, min(0.85, 1 - queue_ns / (100 * _MS)))


def drain_ns(queue_ns: int, free_ratio: float = 0) -> int:
    """How long the queue then takes to empty. ``free_ratio``: how much of the capacity they use who are not held."""
    return int(queue_ns / (1 - max(drain_ratio(queue_ns), min(MOST_FREE, free_ratio))))
