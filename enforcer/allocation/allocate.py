"""Allocation: one direction's capacity shared among applications, in integers of bits per second.

Hierarchical max-min: between priority levels by weight, within a level in equal parts. Floors come first, nothing is
idle while there is demand, ceilings hold, nobody starves. It is a function of its arguments: it measures nothing,
remembers nothing and knows no clock. What is not limited here (level 0, applications that are not diverted) is
measured by the caller and subtracted as ``reserved_bps``.

Water-filling: raise one water level ``t``; each claim stands at ``min(cap, max(floor, weight·t))``; stop when the
capacity is used. So shares follow the weights wherever neither a floor nor a demand decides. Sources: Bertsekas and
Gallager, Data Networks §6.5.2 (max-min fairness); HTB (assured rate, ceiling, borrowing); Shreedhar and Varghese 1995
(shares by weight).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STARVATION_FLOOR_BPS: Final = 64_000
UNBOUNDED_BPS: Final = 10**15
"""Stands for "as much as there is" in demands."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one level is entitled to, in one direction. ``ceiling_bps`` None: up to the link."""

    weight: int
    floor_bps: int = 0
    ceiling_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What one application asks for, in one direction."""

    app: str
    level: int
    demand_bps: int = UNBOUNDED_BPS
    """What it would use if it could; ``UNBOUNDED_BPS`` while packets of it wait."""
    floor_bps: int = 0
    ceiling_bps: int | None = None
    """Its own explicit limit."""


def fill(total: int, weights: Sequence[int], floors: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Weighted max-min in integers: ``floors[i] <= x[i] <= caps[i]``, and the sum is ``min(total, sum(caps))``.

    When even the floors exceed ``total`` they are returned as they are: whoever set them wanted them kept.
    Requires ``floors[i] <= caps[i]`` and positive weights.
    """
    if sum(floors) >= total:
        return list(floors)
    if sum(caps) <= total:
        return list(caps)

    def at(level: int) -> list[int]:
        return [
            min(cap, max(floor, weight * level >> _FINE))
            for weight, floor, cap in zip(weights, floors, caps, strict=True)
        ]

    low, high = 0, (max(caps) + 1) << _FINE
    while high - low > 1:
        middle = (low + high) // 2
        if sum(at(middle)) <= total:
            low = middle
        else:
            high = middle
    result, above = at(low), at(high)
    rest = total - sum(result)
    for index, (now, then) in enumerate(zip(result, above, strict=True)):
        # What is left is less than one step of the water level: it goes to those that the next step would raise.
        more = min(rest, then - now)
        result[index] += more
        rest -= more
    return result


_FINE: Final = 20
"""Bits of fraction of the water level."""


def allocate(
    capacity_bps: int | None, levels: Mapping[int, Share], claims: Sequence[Claim], *, reserved_bps: int = 0
) -> dict[str, int | None]:
    """The rate of each application: bits per second, or None for "not limited".

    Level 0 is never limited. Without a capacity only ceilings limit: an application's own, and a level's, which its
    applications share. With one, the rates add up to it (less ``reserved_bps``), and what demand leaves over is
    handed out as headroom by the same weights, so that a rising demand finds room at once. No rate is below 64
    kbit/s, even where that exceeds a ceiling or, with very many applications, the capacity.
    """
    rates: dict[str, int | None] = {claim.app: None for claim in claims if claim.level == 0}
    groups: dict[int, list[Claim]] = {}
    for claim in claims:
        if claim.level != 0:
            groups.setdefault(claim.level, []).append(claim)
    if capacity_bps is None:
        for level, group in groups.items():
            rates |= _without_link(levels[level], group)
        return rates
    total = max(0, capacity_bps - reserved_bps)
    numbers = sorted(groups)
    inside = [_Group.of(groups[number]) for number in numbers]
    shares = [levels[number] for number in numbers]
    weights = [share.weight for share in shares]
    tops = [_cap(share, sum(g.wants), sum(g.least)) for share, g in zip(shares, inside, strict=True)]
    bottoms = [min(top, max(sum(g.least), share.floor_bps)) for share, top, g in zip(shares, tops, inside, strict=True)]
    if sum(bottoms) > total:
        bottoms = fill(total, [max(1, b) for b in bottoms], [sum(g.alive) for g in inside], bottoms)
        inside = [g.shrunk(bottom) for g, bottom in zip(inside, bottoms, strict=True)]
    wanted = fill(total, weights, bottoms, tops)
    # Headroom: what demand does not want is shared once more, up to the ceilings.
    roofs = [_cap(share, sum(g.most), got) for share, g, got in zip(shares, inside, wanted, strict=True)]
    for number, g, got in zip(numbers, inside, fill(total, weights, wanted, roofs), strict=True):
        ones = [1] * len(g.least)
        each = fill(got, ones, fill(got, ones, g.least, g.wants), g.most)
        rates |= {claim.app: rate for claim, rate in zip(groups[number], each, strict=True)}
    return rates


@dataclass(frozen=True, slots=True)
class _Group:
    """The applications of one level: what each must have, wants and may have."""

    least: list[int]
    wants: list[int]
    most: list[int]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> "_Group":
        roofs = [_roof(claim) for claim in claims]
        wants = [
            max(STARVATION_FLOOR_BPS, min(claim.demand_bps, roof)) for claim, roof in zip(claims, roofs, strict=True)
        ]
        least = [
            min(want, max(STARVATION_FLOOR_BPS, claim.floor_bps)) for claim, want in zip(claims, wants, strict=True)
        ]
        return cls(least, wants, roofs)

    @property
    def alive(self) -> list[int]:
        return [min(floor, STARVATION_FLOOR_BPS) for floor in self.least]

    def shrunk(self, total: int) -> "_Group":
        """Even the floors do not fit: they shrink together, down to what keeps connections alive."""
        least = fill(total, [max(1, floor) for floor in self.least], self.alive, self.least)
        return _Group(least, self.wants, self.most)


def _without_link(share: Share, group: Sequence[Claim]) -> dict[str, int | None]:
    if share.ceiling_bps is None:
        return {
            claim.app: None if claim.ceiling_bps is None else max(STARVATION_FLOOR_BPS, claim.ceiling_bps)
            for claim in group
        }
    limited = allocate(share.ceiling_bps, {1: Share(1)}, [_at(claim, 1) for claim in group])
    return {claim.app: limited[claim.app] for claim in group}


def _at(claim: Claim, level: int) -> Claim:
    return Claim(claim.app, level, claim.demand_bps, claim.floor_bps, claim.ceiling_bps)


def _roof(claim: Claim) -> int:
    return UNBOUNDED_BPS if claim.ceiling_bps is None else max(STARVATION_FLOOR_BPS, claim.ceiling_bps)


def _cap(share: Share, wanted: int, least: int) -> int:
    return max(least, wanted if share.ceiling_bps is None else min(wanted, share.ceiling_bps))
