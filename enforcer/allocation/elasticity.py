"""Elasticity: which applications would take more if they could, and so have to be held below the line.

An elastic application (a download, a backup, a page being loaded) sends until something stops it; a call or a game
sends what it has to. Only the elastic ones are held. On the levels 3 to 5 an application counts as elastic once it
moves a noticeable part of the line; on the levels 1 and 2 only when it uses more than any
call does, and more than its share by weight would be.
Level 0 is never held. An application that was seen to be elastic keeps its class for a while; one of the levels 4 and 5
has one from its first packet on where the line is known: nobody misses the moment that it takes to know it better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.allocation.allocate import STARVATION_FLOOR_BPS, Share
from qos.contract.direction import DIRECTIONS, Direction

_S: Final = 10**9
LARGE_BPS: Final = 1_000_000
"""Where the line is not known, so much is noticeable on any; less is, where little passes altogether."""
UPPER_BPS: Final = 5_000_000
"""No call and no game on the levels 1 and 2 moves so much; a download does."""
LARGE_PART: Final = 16
"""Noticeable: one part in so many of the line, or of what passes where the line is not known."""
KEEP_NS: Final = 60 * _S
KEEP_LOW_NS: Final = 600 * _S
"""How long a class is kept after the last noticeable use: on level 3, and on the levels 4 and 5."""
LOW_LEVELS: Final = frozenset({4, 5})


@dataclass(frozen=True, slots=True)
class Moving:
    """What one application of a level moves now in one direction; ``held``: its packets wait in a class."""

    level: int
    bps: int
    held: bool = False


class ElasticApps:
    """Remembers who is elastic, per direction. ``known``: those of the lowest levels that were, at other times."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.known = set(known)
        self._until: dict[Direction, dict[str, int]] = {direction: {} for direction in DIRECTIONS}

    def update(
        self,
        now_ns: int,
        direction: Direction,
        moving: Mapping[str, Moving],
        shares: Mapping[int, Share],
        capacity_bps: int | None,
        *,
        passing_bps: int,
    ) -> frozenset[str]:
        """The elastic applications of one direction now. ``moving`` has everybody who is present.

        ``passing_bps`` is what all together move: a line that is not known carries that much at least.
        """
        until = self._until[direction]
        for app in [app for app, then in until.items() if then <= now_ns or moving.get(app, Moving(0, 0)).level == 0]:
            del until[app]
        # The lowest levels first: whose share is too small depends on who else is held.
        for app, one in sorted(moving.items(), key=lambda item: -item[1].level):
            if one.level == 0:
                continue
            levels = {moving[held].level for held in until if held in moving}
            if one.held or one.bps >= _noticeable_bps(one, levels, shares, capacity_bps, passing_bps):
                until[app] = now_ns + (KEEP_LOW_NS if one.level in LOW_LEVELS else KEEP_NS)
                if one.level in LOW_LEVELS:
                    self.known.add(app)
            elif capacity_bps is not None and one.level in LOW_LEVELS:
                until.setdefault(app, now_ns + KEEP_LOW_NS)
        return frozenset(until)


def _noticeable_bps(
    one: Moving, levels: set[int], shares: Mapping[int, Share], capacity_bps: int | None, passing_bps: int
) -> int:
    """From how much on an application counts as elastic; ``levels``: those of who is elastic already."""
    if capacity_bps is None:
        large = min(LARGE_BPS, max(2 * STARVATION_FLOOR_BPS, passing_bps // LARGE_PART))
    else:
        large = max(4 * STARVATION_FLOOR_BPS, capacity_bps // LARGE_PART)
    if one.level >= 3:
        return large
    if capacity_bps is None:
        return 2 * UPPER_BPS
    share = capacity_bps * shares[one.level].weight // sum(shares[level].weight for level in {one.level, *levels})
    return max(UPPER_BPS, share)
