"""Attribution of delay: in which direction does the queue stand?

Timestamps decide where a target tells them (``Delay.one_way_ns``). Else it is the direction that is used: one that
moves clearly less than it is known to carry is innocent, and so is one that carries the other's acknowledgements. Who
is being cut already, looks for more when the delay comes, or was cut a moment ago, is meant. Where it is not known what
a direction carries, it is suspected when its use grew as the delay came. What was cut in vain is innocent as long as
there is another suspect. Only a direction in which elastic applications move something can be meant: there is nothing
to cut in another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.allocation.delay_detector import Delay
from qos.contract.direction import Direction

MIN_ELASTIC_BPS: Final = 128_000
_MS: Final = 10**6


GREW_PERCENT: Final = 30
"""A direction of unknown capacity whose use is by so much more than a second ago is a suspect."""


@dataclass(frozen=True, slots=True)
class Use:
    """How one direction is used, bits per second. ``capacity_bps`` None: not known; ``before_bps``: a second ago."""

    total_bps: int
    elastic_bps: int
    capacity_bps: int | None = None
    before_bps: int = 0


def able(delay: Delay, uses: Mapping[Direction, Use]) -> frozenset[Direction]:
    """The directions that could be cut for this delay: elastic applications use them, and no timestamp clears them."""
    found = {direction for direction, use in uses.items() if use.elastic_bps >= MIN_ELASTIC_BPS}
    if len(delay.one_way_ns) == 2:
        whole = max(1, sum(delay.one_way_ns.values()))
        return frozenset(
            direction
            for direction in found
            if delay.one_way_ns[direction] * 4 >= whole and delay.one_way_ns[direction] >= 2 * _MS
        )
    most = max((use.elastic_bps for use in uses.values()), default=0)
    return frozenset(direction for direction in found if uses[direction].elastic_bps * 20 >= most)


def guilty(
    delay: Delay,
    uses: Mapping[Direction, Use],
    vain: frozenset[Direction] = frozenset(),
    meant: frozenset[Direction] = frozenset(),
) -> frozenset[Direction]:
    """The directions whose queue makes the delay; never one without elastic traffic.

    ``vain``: they were cut for nothing; ``meant``: they are being cut, look for more, or were cut just now.
    """
    could = able(delay, uses)
    if len(delay.one_way_ns) == 2 or len(could) < 2:
        return could
    suspects = (could & meant) or frozenset(direction for direction in could if _suspect(uses[direction])) or could
    left = (suspects - vain) or (could - vain)
    if not left:
        return could
    if any(uses[direction].capacity_bps is None or _full(uses[direction]) for direction in left):
        return left
    return frozenset({max(left, key=lambda direction: _ratio(uses[direction]))})


def _suspect(use: Use) -> bool:
    if use.capacity_bps is None:
        return use.total_bps * 100 >= max(1, use.before_bps) * (100 + GREW_PERCENT)
    return _full(use)


def _ratio(use: Use) -> float:
    return 1.0 if use.capacity_bps is None else use.total_bps / max(1, use.capacity_bps)


def _full(use: Use) -> bool:
    return _ratio(use) >= 0.85
