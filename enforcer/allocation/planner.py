"""The plan: from decisions, measurements and budgets to one rate per application and direction, tick by tick.

It solves the control problem around ``allocate``: who is held back at all, and what everybody wants. An application is
held when it has an explicit limit, when its level has a ceiling, or when there is a budget for the line and it is
elastic (``elasticity``). Everybody else is left alone: what they use is measured, and subtracted with headroom. A held
application's demand is unbounded while its packets wait, else a little above what it moved.

Pure, and without memory. It knows no packets and no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from enforcer.allocation.allocate import STARVATION_FLOOR_BPS, UNBOUNDED_BPS, Claim, Share, allocate
from qos.contract.config import LevelConfig, Link
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.reason import Cause, Reason, Subject
from qos.policy.policy import Decision

HEADROOM_PERCENT: Final = 110
HEADROOM_BPS: Final = 32_000
"""Who is not held has what it uses and a tenth more, and so much: room for a call's next burst."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one application moves now, per direction, and whether packets of it wait in its shaper."""

    down_bps: int = 0
    up_bps: int = 0
    down_waiting: bool = False
    up_waiting: bool = False

    def bps(self, direction: Direction) -> int:
        """The rate in that direction."""
        return self.down_bps if direction == "down" else self.up_bps

    def waiting(self, direction: Direction) -> bool:
        """Whether packets wait in that direction."""
        return self.down_waiting if direction == "down" else self.up_waiting


@dataclass(frozen=True, slots=True)
class AppPlan:
    """What one application is held to. None: not held back in that direction."""

    decision: Decision
    down_bps: int | None
    up_bps: int | None
    demand_down_bps: int
    demand_up_bps: int
    reasons: tuple[Reason, ...]

    @property
    def limited(self) -> bool:
        """Whether packets of the application must pass through a shaper."""
        return self.down_bps is not None or self.up_bps is not None

    def unheld(self) -> "AppPlan":
        """The same where nothing is in force."""
        return AppPlan(self.decision, None, None, self.demand_down_bps, self.demand_up_bps, self.decision.reasons)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about sharing."""

    link: Link
    levels: Mapping[int, LevelConfig]

    def links(self) -> dict[Direction, int]:
        """The link's settings, bits per second; only of directions that are set."""
        both = {"down": self.link.down, "up": self.link.up}
        return {direction: bps for direction in DIRECTIONS if (bps := both[direction]) is not None}

    def shares(self, direction: Direction) -> dict[int, Share]:
        """What each level is entitled to in that direction."""
        return {
            number: Share(level.weight, level.floor, level.down if direction == "down" else level.up)
            for number, level in self.levels.items()
        }


@dataclass(frozen=True, slots=True)
class PlannerInput:
    """What is known at one tick.

    ``budgets``: what everybody together may use, bits per second; only of directions that have one. ``elastic``: who is
    held in them. ``unheld_bps``: what everybody who is not held moves at the interface; where it is not measured, the
    sum of the applications stands in, with ``unattributed``. ``present`` are applications with flows now: a level's
    ceiling holds for them before any traffic is measured.
    """

    decisions: Mapping[str, Decision]
    usage: Mapping[str, Usage]
    budgets: Mapping[Direction, int] = field(default_factory=dict)
    elastic: Mapping[Direction, frozenset[str]] = field(default_factory=dict)
    unheld_bps: Mapping[Direction, int] = field(default_factory=dict)
    unattributed: Mapping[Direction, int] = field(default_factory=dict)
    present: frozenset[str] = frozenset()


def plan(settings: Settings, given: PlannerInput) -> dict[str, AppPlan]:
    """The plan for every application that there is a decision for."""
    rates = {direction: _direction(settings, given, direction) for direction in DIRECTIONS}
    plans = {}
    for app, decision in given.decisions.items():
        used = given.usage.get(app, Usage())
        (down, why_down), (up, why_up) = rates["down"][app], rates["up"][app]
        reasons = (*decision.reasons, *(why for why in (why_down, why_up) if why is not None))
        plans[app] = AppPlan(decision, down, up, used.down_bps, used.up_bps, tuple(dict.fromkeys(reasons)))
    return plans


def _direction(
    settings: Settings, given: PlannerInput, direction: Direction
) -> dict[str, tuple[int | None, Reason | None]]:
    shares = settings.shares(direction)
    budget = given.budgets.get(direction)
    usage = {app: given.usage.get(app, Usage()) for app in given.decisions}
    elastic = given.elastic.get(direction, frozenset()) if budget is not None else frozenset()
    claims: dict[str, Claim] = {}
    for app, decision in given.decisions.items():
        moves = app in given.present or usage[app].bps(direction) > 0
        ceiling = shares[decision.priority].ceiling_bps is not None and moves
        if decision.priority != 0 and (_explicit(decision, direction) is not None or ceiling or app in elastic):
            claims[app] = _claim(direction, decision, usage[app])
    rates = allocate(
        budget if elastic else None,
        shares,
        list(claims.values()),
        reserved_bps=_reserved(given, direction, usage, claims),
    )
    return {
        app: (rates.get(app), _why(settings, given, direction, decision, rates.get(app), contended=bool(elastic)))
        for app, decision in given.decisions.items()
    }


def _reserved(
    given: PlannerInput, direction: Direction, usage: Mapping[str, Usage], claims: Mapping[str, Claim]
) -> int:
    moved = given.unheld_bps.get(direction)
    if moved is None:
        unheld = sum(used.bps(direction) for app, used in usage.items() if app not in claims)
        moved = unheld + given.unattributed.get(direction, 0)
    return moved * HEADROOM_PERCENT // 100 + (HEADROOM_BPS if moved else 0)


def _why(
    settings: Settings,
    given: PlannerInput,
    direction: Direction,
    decision: Decision,
    rate: int | None,
    *,
    contended: bool,
) -> Reason | None:
    if rate is None:
        return None
    explicit = _explicit(decision, direction)
    if explicit is not None and rate >= explicit:
        return Reason(Subject(direction), Cause.LEAST, rate) if rate > explicit else None
    level = settings.levels[decision.priority]
    cause, whole = Cause.CEILING_SHARE, settings.shares(direction)[decision.priority].ceiling_bps
    if contended:
        whole = given.budgets.get(direction)
        cause = Cause.LINK_SHARE if whole == settings.links().get(direction) else Cause.LATENCY_SHARE
    return Reason(Subject(direction), cause, rate, level=decision.priority, level_name=level.name, of_bps=whole)


def _explicit(decision: Decision, direction: Direction) -> int | None:
    return decision.down_bps if direction == "down" else decision.up_bps


def _claim(direction: Direction, decision: Decision, used: Usage) -> Claim:
    demand = used.bps(direction) * 5 // 4 + STARVATION_FLOOR_BPS
    return Claim(
        decision.app,
        decision.priority,
        UNBOUNDED_BPS if used.waiting(direction) else demand,
        decision.floor_bps,
        _explicit(decision, direction),
    )
