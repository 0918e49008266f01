"""Policy: what is to happen to an application, and why.

From rules (the configuration), overrides (what somebody set by hand), the shipped classification and the local time,
to a category, a priority, a floor and explicit limits with the chain of reasons. It is a function of its arguments:
no clock, no store, no packets. How much an application gets in the end is ``enforcer.allocation``'s business.

Who wins: a priority set by hand, then the first rule that names one, then the category's level, then ``default_level``.
Limits are not a matter of who wins: the strictest of override and rule holds. Level 0 is never limited, whoever asks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from qos.contract.config import AppRule, Config
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.documents.override import Override
from qos.contract.reason import Cause, Reason, RuleReference, Subject
from qos.contract.schedule import LocalTime
from qos.policy.classification import CATEGORY_LEVELS, category_of
from qos.policy.matching import AppIdentity, matches

Source = Literal["override", "rule", "classification", "default"]
UNKNOWN: Final = "unknown"
_Rules = Sequence[tuple[int, AppRule]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen to one application. ``down_bps`` and ``up_bps`` are explicit limits only."""

    app: str
    category: str
    priority: int
    source: Source
    floor_bps: int = 0
    down_bps: int | None = None
    up_bps: int | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether an explicit limit holds in some direction."""
        return self.down_bps is not None or self.up_bps is not None


class Policy:
    """The rules of one configuration."""

    def __init__(self, config: Config) -> None:
        self._rules = tuple(enumerate(config.apps))
        self._default_level = config.default_level

    @property
    def names_limits(self) -> bool:
        """Whether any rule can limit anybody."""
        return any(rule.down is not None or rule.up is not None for _, rule in self._rules)

    def decide(self, who: AppIdentity, override: Override | None, at: LocalTime, now_ns: int) -> Decision:
        """What is to happen to an application at this time (``at`` local, ``now_ns`` UTC)."""
        override = None if override is None else override.at(now_ns)
        rules = list(self._matching(who, at))
        reasons: list[Reason] = []
        category = self._category(who, rules, reasons)
        priority, source = self._priority(category, rules, override, reasons)
        floor = 0
        for index, rule in rules:
            if rule.floor is not None:
                floor = rule.floor
                reasons.append(Reason(Subject.FLOOR, Cause.RULE, floor, rule=_reference(index, rule)))
                break
        limits = {direction: _strictest(direction, override, rules, reasons) for direction in DIRECTIONS}
        if priority == 0 and any(limit is not None for limit in limits.values()):
            reasons.append(Reason(Subject.LIMITS, Cause.CRITICAL))
            limits = dict.fromkeys(DIRECTIONS)
        return Decision(who.app, category, priority, source, floor, limits["down"], limits["up"], tuple(reasons))

    def _matching(self, who: AppIdentity, at: LocalTime) -> Iterator[tuple[int, AppRule]]:
        for index, rule in self._rules:
            if (rule.schedule is None or rule.schedule.holds(at)) and matches(rule.match, who):
                yield index, rule

    def _category(self, who: AppIdentity, rules: _Rules, reasons: list[Reason]) -> str:
        for index, rule in rules:
            if rule.category is not None:
                reference = _reference(index, rule)
                reasons.append(Reason(Subject.CATEGORY, Cause.RULE, name=rule.category, rule=reference))
                return rule.category
        shipped = category_of(who.app)
        if shipped is not None:
            reasons.append(Reason(Subject.CATEGORY, Cause.CLASSIFICATION, name=shipped))
            return shipped
        reasons.append(Reason(Subject.CATEGORY, Cause.UNKNOWN))
        return UNKNOWN

    def _priority(
        self, category: str, rules: _Rules, override: Override | None, reasons: list[Reason]
    ) -> tuple[int, Source]:
        if override is not None and override.priority is not None:
            reasons.append(Reason(Subject.PRIORITY, Cause.HAND, override.priority))
            return override.priority, "override"
        for index, rule in rules:
            if rule.priority is not None:
                reasons.append(Reason(Subject.PRIORITY, Cause.RULE, rule.priority, rule=_reference(index, rule)))
                return rule.priority, "rule"
        if (level := CATEGORY_LEVELS.get(category)) is not None:
            reasons.append(Reason(Subject.PRIORITY, Cause.CATEGORY, level, name=category))
            by_rule = any(rule.category is not None for _, rule in rules)
            return level, "rule" if by_rule else "classification"
        reasons.append(Reason(Subject.PRIORITY, Cause.DEFAULT, self._default_level))
        return self._default_level, "default"


def _reference(index: int, rule: AppRule) -> RuleReference:
    return RuleReference(index, rule.match, rule.schedule.text if rule.schedule is not None else "")


def _strictest(direction: Direction, override: Override | None, rules: _Rules, reasons: list[Reason]) -> int | None:
    subject = Subject(direction)
    by_rule = None
    for index, rule in rules:
        by_rule = rule.down if direction == "down" else rule.up
        if by_rule is not None:
            reasons.append(Reason(subject, Cause.RULE, by_rule, rule=_reference(index, rule)))
            break
    by_hand = None
    if override is not None:
        by_hand = override.down_bps if direction == "down" else override.up_bps
    if by_hand is not None:
        reasons.append(Reason(subject, Cause.HAND, by_hand))
    return min((limit for limit in (by_hand, by_rule) if limit is not None), default=None)
