"""What if: the policy and the planner over the last recorded seconds, once as things are, once as they would be.

It predicts rates, never milliseconds: who would be held to what, and who could take what that frees. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from enforcer.allocation import planner
from enforcer.allocation.allocate import STARVATION_FLOOR_BPS
from qos.contract.config import Config, Link
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.documents.override import Override
from qos.contract.schedule import LocalTime
from qos.policy.matching import AppIdentity
from qos.policy.policy import Decision, Policy

BUSY: Final = 0.85
"""From this share of the capacity on, the large applications are taken to want more than they get."""
LARGE: Final = 50
"""An application is large that takes more than one in so many of the capacity."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One recorded second: what each application moved (bit/s down, up), and what had no name."""

    time_ns: int
    apps: Mapping[str, tuple[int, int]]
    unnamed: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of one application. Rates in bit/s; a limit of None: none; ``freed``: may take more than now."""

    now_bps: int
    limit_before_bps: int | None
    limit_after_bps: int | None
    expected_bps: int
    freed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one application."""

    app: str
    priority_before: int
    priority_after: int
    down: Side
    up: Side


def compare(
    config: Config,
    *,
    link: Link,
    ticks: Sequence[Tick],
    now: Mapping[str, Override],
    then: Mapping[str, Override],
    at: LocalTime,
) -> list[Change]:
    """Every application of the ticks as it is treated with the overrides of ``now``, and with those of ``then``."""
    apps = {app for tick in ticks for app in tick.apps} | set(then)
    before = _plans(config, link, ticks, apps=apps, overrides=now, at=at)
    after = _plans(config, link, ticks, apps=apps, overrides=then, at=at)
    used = {app: _mean(ticks, app) for app in apps}
    changes = []
    for app in sorted(apps, key=lambda name: (-sum(used[name]), name)):
        old, new = before[app], after[app]
        sides = {}
        for index, direction in enumerate(DIRECTIONS):
            was = _rate(old, direction)
            will = _rate(new, direction)
            current = used[app][index]
            tight = was is not None and current >= was * 9 // 10
            expected = min(current, will) if will is not None else current
            freed = tight and (will is None or (was is not None and will > was))
            sides[direction] = Side(current, was, will, expected, freed)
        changes.append(Change(app, old.decision.priority, new.decision.priority, sides["down"], sides["up"]))
    return _hand_on(changes, link)


def _hand_on(changes: list[Change], link: Link) -> list[Change]:
    """On a full line, what one gives up is there for the better levels: they may take more than now."""
    for direction in DIRECTIONS:
        capacity = link.down if direction == "down" else link.up
        total = sum(getattr(change, direction).now_bps for change in changes)
        losers = [c for c in changes if getattr(c, direction).expected_bps < getattr(c, direction).now_bps]
        if capacity is None or not losers or total < BUSY * capacity:
            continue
        worst = min(change.priority_after for change in losers)
        named = {change.app for change in losers}
        changes = [
            replace(change, **{direction: replace(getattr(change, direction), freed=True)})
            if change.app not in named
            and change.priority_after <= worst
            and _room(getattr(change, direction))
            and getattr(change, direction).now_bps > 0
            else change
            for change in changes
        ]
    return changes


def _room(side: Side) -> bool:
    return side.limit_after_bps is None or side.limit_after_bps > side.now_bps


def _plans(
    config: Config,
    link: Link,
    ticks: Sequence[Tick],
    *,
    apps: set[str],
    overrides: Mapping[str, Override],
    at: LocalTime,
) -> dict[str, planner.AppPlan]:
    policy = Policy(config)
    time_ns = ticks[-1].time_ns
    decisions: dict[str, Decision] = {
        app: policy.decide(AppIdentity(app), overrides.get(app, Override()), at, time_ns) for app in apps
    }
    last = ticks[-1]
    full = {side for tick in ticks for side, is_full in _full(link, tick).items() if is_full}
    usage: dict[str, planner.Usage] = {}
    elastic: dict[Direction, set[str]] = {side: set() for side in full}
    for app, (down, up) in last.apps.items():
        waiting: dict[Direction, bool] = dict.fromkeys(DIRECTIONS, False)
        for side, bps, capacity in _sides(link, down, up):
            waiting[side] = side in full and bps * 10 >= (capacity or 0)
            if side in full and bps >= max(STARVATION_FLOOR_BPS, (capacity or 0) // LARGE):
                elastic[side].add(app)
        usage[app] = planner.Usage(down, up, waiting["down"], waiting["up"])
    settings = planner.Settings(link, config.levels)
    return planner.plan(
        settings,
        planner.PlannerInput(
            decisions,
            usage,
            budgets={side: bps for side, bps in settings.links().items() if side in full},
            elastic={side: frozenset(apps) for side, apps in elastic.items()},
            unattributed=dict(zip(DIRECTIONS, last.unnamed, strict=True)),
            present=frozenset(last.apps),
        ),
    )


def _sides(link: Link, down: int, up: int) -> tuple[tuple[Direction, int, int | None], ...]:
    return (("down", down, link.down), ("up", up, link.up))


def _full(link: Link, tick: Tick) -> dict[Direction, bool]:
    down = sum(rates[0] for rates in tick.apps.values()) + tick.unnamed[0]
    up = sum(rates[1] for rates in tick.apps.values()) + tick.unnamed[1]
    return {side: capacity is not None and bps >= BUSY * capacity for side, bps, capacity in _sides(link, down, up)}


def _mean(ticks: Sequence[Tick], app: str) -> tuple[int, int]:
    rates = [tick.apps.get(app, (0, 0)) for tick in ticks]
    return sum(down for down, _ in rates) // len(ticks), sum(up for _, up in rates) // len(ticks)


def _rate(plan: planner.AppPlan, direction: Direction) -> int | None:
    return plan.down_bps if direction == "down" else plan.up_bps
