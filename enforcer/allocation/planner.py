"""The plan: from decisions, measurements and the link to one rate per application and direction, tick by tick.

It solves the control problem around ``allocate``: who is held back at all, and what everybody wants. An application is
limited when it has an explicit limit, when its level has a ceiling, when the link is contended and it is one of the
large ones, or when the control loop gives bulk a budget. Everybody else is left alone: what they use is measured and
subtracted. A limited application's demand is unbounded while its packets wait, else a little above what it moved.

Pure: it remembers what contention needs (since when), and takes ``now_ns``. It knows no packets and no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from enforcer.allocation.allocate import STARVATION_FLOOR_BPS, UNBOUNDED_BPS, Claim, Share, allocate
from qos.contract.config import LevelConfig, Link
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.reason import Cause, Reason, Subject
from qos.policy.policy import Decision

_S: Final = 10**9
SHAPEABLE_LEVELS: Final = range(3, 6)
"""Levels whose applications the control loop may hold back."""
_ENTER: Final = (90, 100)
_LEAVE: Final = (70, 100)
_LEAVE_NS: Final = 5 * _S
_STAY_NS: Final = 10 * _S


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

    def capacity(self, direction: Direction) -> int | None:
        """The link's setting in that direction."""
        return self.link.down if direction == "down" else self.link.up

    def shares(self, direction: Direction) -> dict[int, Share]:
        """What each level is entitled to in that direction."""
        return {
            number: Share(level.weight, level.floor, level.down if direction == "down" else level.up)
            for number, level in self.levels.items()
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at one tick.

    ``present`` are applications with flows now: a level's ceiling holds for them before any traffic is measured.
    ``unattributed`` is traffic that nobody could be named for; ``budgets`` are the control loop's, bits per second.
    """

    now_ns: int
    decisions: Mapping[str, Decision]
    usage: Mapping[str, Usage]
    unattributed: Mapping[Direction, int] = field(default_factory=dict)
    budgets: Mapping[Direction, int] = field(default_factory=dict)
    present: frozenset[str] = frozenset()


class Planner:
    """One direction after the other, with the memory that hysteresis needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._contended: dict[Direction, bool] = dict.fromkeys(DIRECTIONS, False)
        self._quiet_since: dict[Direction, int | None] = dict.fromkeys(DIRECTIONS)
        self._large_until: dict[Direction, dict[str, int]] = {direction: {} for direction in DIRECTIONS}

    def contended(self, direction: Direction) -> bool:
        """Whether the link's setting is being shared out in that direction now."""
        return self._contended[direction]

    def plan(self, seen: Seen) -> dict[str, AppPlan]:
        """The plan for every application that there is a decision for."""
        rates = {direction: self._direction(seen, direction) for direction in DIRECTIONS}
        plans = {}
        for app, decision in seen.decisions.items():
            used = seen.usage.get(app, Usage())
            (down, why_down), (up, why_up) = rates["down"][app], rates["up"][app]
            reasons = (*decision.reasons, *(why for why in (why_down, why_up) if why is not None))
            plans[app] = AppPlan(decision, down, up, used.down_bps, used.up_bps, tuple(dict.fromkeys(reasons)))
        return plans

    def _direction(self, seen: Seen, direction: Direction) -> dict[str, tuple[int | None, Reason | None]]:
        shares = self.settings.shares(direction)
        capacity = self.settings.capacity(direction)
        usage = {app: seen.usage.get(app, Usage()) for app in seen.decisions}
        moved = {app: used.bps(direction) for app, used in usage.items()}
        others = seen.unattributed.get(direction, 0)
        if capacity is not None:
            waiting = any(used.waiting(direction) for used in usage.values())
            self._contend(seen.now_ns, direction, capacity, sum(moved.values()) + others, waiting=waiting)
        contended = capacity is not None and self._contended[direction]
        large = self._large(seen.now_ns, direction, capacity, moved, contended=contended)

        claims: dict[str, Claim] = {}
        for app, decision in seen.decisions.items():
            explicit = _explicit(decision, direction)
            ceiling = shares[decision.priority].ceiling_bps is not None and (app in seen.present or moved[app] > 0)
            if decision.priority != 0 and (explicit is not None or ceiling or app in large):
                claims[app] = _claim(direction, decision, usage[app])
        reserved = others + sum(bps for app, bps in moved.items() if app not in claims)
        link = allocate(capacity if contended else None, shares, list(claims.values()), reserved_bps=reserved)
        result: dict[str, tuple[int | None, Reason | None]] = {}
        for app, decision in seen.decisions.items():
            rate = link.get(app)
            result[app] = (rate, self._why(direction, decision, rate, shares, contended=contended))
        if direction in seen.budgets:
            result |= self._budget(direction, seen, usage, shares, result)
        return result

    def _contend(self, now_ns: int, direction: Direction, capacity: int, moved: int, *, waiting: bool) -> None:
        if moved * _ENTER[1] >= capacity * _ENTER[0]:
            self._contended[direction] = True
            self._quiet_since[direction] = None
        elif self._contended[direction] and (waiting or moved * _LEAVE[1] >= capacity * _LEAVE[0]):
            self._quiet_since[direction] = None
        elif self._contended[direction]:
            since = self._quiet_since[direction]
            if since is None:
                self._quiet_since[direction] = now_ns
            elif now_ns - since >= _LEAVE_NS:
                self._contended[direction] = False

    def _large(
        self, now_ns: int, direction: Direction, capacity: int | None, moved: Mapping[str, int], *, contended: bool
    ) -> frozenset[str]:
        until = self._large_until[direction]
        if capacity is None or not contended:
            until.clear()
            return frozenset()
        for app, bps in moved.items():
            if bps >= max(STARVATION_FLOOR_BPS, capacity // 50):
                until[app] = now_ns + _STAY_NS
        for app in [app for app, then in until.items() if then <= now_ns or app not in moved]:
            del until[app]
        return frozenset(until)

    def _budget(
        self,
        direction: Direction,
        seen: Seen,
        usage: Mapping[str, Usage],
        shares: Mapping[int, Share],
        link: Mapping[str, tuple[int | None, Reason | None]],
    ) -> dict[str, tuple[int | None, Reason | None]]:
        """What the control loop's budget makes stricter."""
        budget = seen.budgets[direction]
        claims = [
            _claim(direction, decision, usage[app])
            for app, decision in seen.decisions.items()
            if decision.priority in SHAPEABLE_LEVELS and usage[app].bps(direction) >= STARVATION_FLOOR_BPS
        ]
        result: dict[str, tuple[int | None, Reason | None]] = {}
        for app, rate in allocate(budget, shares, claims).items():
            held = link[app][0]
            if rate is not None and (held is None or rate < held):
                result[app] = (rate, Reason(Subject(direction), Cause.LATENCY_SHARE, rate, of_bps=budget))
        return result

    def _why(
        self,
        direction: Direction,
        decision: Decision,
        rate: int | None,
        shares: Mapping[int, Share],
        *,
        contended: bool,
    ) -> Reason | None:
        if rate is None:
            return None
        explicit = _explicit(decision, direction)
        if explicit is not None and rate >= explicit:
            return Reason(Subject(direction), Cause.LEAST, rate) if rate > explicit else None
        return Reason(
            Subject(direction),
            Cause.LINK_SHARE if contended else Cause.CEILING_SHARE,
            rate,
            level=decision.priority,
            level_name=self.settings.levels[decision.priority].name,
            of_bps=self.settings.capacity(direction) if contended else shares[decision.priority].ceiling_bps,
        )


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
