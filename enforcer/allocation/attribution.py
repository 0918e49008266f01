"""Attribution of delay: in which direction does the queue stand?

Timestamps decide where a target tells them (``Delay.one_way_ns``). Else it is the direction that is used: one that
moves clearly less than it is known to carry is innocent, and so is one that carries the other's acknowledgements. Only
a direction in which elastic applications move something can be meant: there is nothing to cut in another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.allocation.delay_detector import Delay
from qos.contract.direction import Direction

MIN_ELASTIC_BPS: Final = 128_000
_MS: Final = 10**6


@dataclass(frozen=True, slots=True)
class Use:
    """How one direction is used, bits per second. ``capacity_bps`` None: not known."""

    total_bps: int
    elastic_bps: int
    capacity_bps: int | None = None


def guilty(delay: Delay, uses: Mapping[Direction, Use]) -> frozenset[Direction]:
    """The directions whose queue makes the delay; never one without elastic traffic."""
    able = {direction for direction, use in uses.items() if use.elastic_bps >= MIN_ELASTIC_BPS}
    if len(delay.one_way_ns) == 2:
        whole = max(1, sum(delay.one_way_ns.values()))
        return frozenset(
            direction
            for direction in able
            if delay.one_way_ns[direction] * 4 >= whole and delay.one_way_ns[direction] >= 2 * _MS
        )
    most = max((use.elastic_bps for use in uses.values()), default=0)
    able = {direction for direction in able if uses[direction].elastic_bps * 20 >= most}
    full = {direction for direction in able if _full(uses[direction])}
    if full or len(able) < 2:
        return frozenset(full or able)
    return frozenset({max(able, key=lambda direction: _ratio(uses[direction]))})


def _ratio(use: Use) -> float:
    return 1.0 if use.capacity_bps is None else use.total_bps / max(1, use.capacity_bps)


def _full(use: Use) -> bool:
    return _ratio(use) >= 0.85
