"""Policy: what is to happen to an application, and why, in words.

From rules (the configuration), overrides (what somebody set by hand), the shipped classification and the local time,
to a category, a priority, a floor and explicit limits with the chain of reasons. It is a function of its arguments:
no clock, no store, no packets. How much an application gets in the end is ``allocate``'s business.

Who wins: a priority set by hand, then the first rule that names one, then the category's level, then ``default_level``.
Limits are not a matter of who wins: the strictest of override and rule holds. Level 0 is never limited, whoever asks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from qos.contract.config import AppRule, Config
from qos.contract.direction import DIRECTIONS
from qos.contract.documents.override import Override
from qos.contract.errors import ConfigError
from qos.contract.units import format_bps
from qos.policy.classification import CATEGORY_LEVELS, category_of
from qos.policy.schedule import LocalTime, Schedule, parse_schedule

Source = Literal["override", "rule", "classification", "default"]
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of an application: its name, the paths of its executables, the services in it."""

    app: str
    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


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
    reasons: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether an explicit limit holds in some direction."""
        return self.down_bps is not None or self.up_bps is not None


class Policy:
    """The rules of one configuration, compiled once."""

    def __init__(self, config: Config, name: str = "config.yaml") -> None:
        """Raises ConfigError for schedules that cannot be read, all at once."""
        self._rules: list[tuple[int, AppRule, Schedule | None]] = []
        self._default_level = config.default_level
        problems = []
        for index, rule in enumerate(config.apps):
            schedule = None
            if rule.schedule is not None:
                try:
                    schedule = parse_schedule(rule.schedule)
                except ValueError as error:
                    problems.append(f"{name}: apps[{index}].schedule: {error}")
            self._rules.append((index, rule, schedule))
        if problems:
            raise ConfigError(*problems)

    @property
    def names_limits(self) -> bool:
        """Whether any rule can limit anybody."""
        return any(rule.down is not None or rule.up is not None for _, rule, _ in self._rules)

    def decide(self, who: Identity, override: Override | None, at: LocalTime, now_ns: int) -> Decision:
        """What is to happen to an application at this time (``at`` local, ``now_ns`` UTC)."""
        override = None if override is None else override.at(now_ns)
        rules = [(index, rule) for index, rule in self._matching(who, at)]
        reasons: list[str] = []
        category = self._category(who, rules, reasons)
        priority, source = self._priority(category, rules, override, reasons)
        floor = 0
        for index, rule in rules:
            if rule.floor is not None:
                floor = rule.floor
                reasons.append(f"floor {format_bps(floor)}: rule {_says(index, rule)}")
                break
        limits: dict[str, int | None] = {}
        for direction in DIRECTIONS:
            by_hand = getattr(override, f"{direction}_bps", None)
            limits[direction] = _strictest(direction, by_hand, rules, reasons)
        if priority == 0 and any(limit is not None for limit in limits.values()):
            reasons.append("level 0 is never limited: the limits above do not apply")
            limits = {"down": None, "up": None}
        return Decision(who.app, category, priority, source, floor, limits["down"], limits["up"], tuple(reasons))

    def _matching(self, who: Identity, at: LocalTime) -> Iterator[tuple[int, AppRule]]:
        for index, rule, schedule in self._rules:
            if matches(rule.match, who) and (schedule is None or schedule.holds(at)):
                yield index, rule

    def _category(self, who: Identity, rules: Sequence[tuple[int, AppRule]], reasons: list[str]) -> str:
        for index, rule in rules:
            if rule.category is not None:
                reasons.append(f"category {rule.category}: rule {_says(index, rule)}")
                return rule.category
        shipped = category_of(who.app)
        if shipped is not None:
            reasons.append(f"category {shipped}: shipped classification")
            return shipped
        reasons.append("category unknown: neither a rule nor the shipped classification knows it")
        return UNKNOWN

    def _priority(
        self, category: str, rules: Sequence[tuple[int, AppRule]], override: Override | None, reasons: list[str]
    ) -> tuple[int, Source]:
        if override is not None and override.priority is not None:
            reasons.append(f"priority {override.priority}: set by hand")
            return override.priority, "override"
        for index, rule in rules:
            if rule.priority is not None:
                reasons.append(f"priority {rule.priority}: rule {_says(index, rule)}")
                return rule.priority, "rule"
        if (level := CATEGORY_LEVELS.get(category)) is not None:
            reasons.append(f"priority {level}: category {category}")
            by_rule = any(rule.category is not None for _, rule in rules)
            return level, "rule" if by_rule else "classification"
        reasons.append(f"priority {self._default_level}: default_level")
        return self._default_level, "default"


def _says(index: int, rule: AppRule) -> str:
    when = f", {rule.schedule}" if rule.schedule else ""
    return f"apps[{index}] ({rule.match}{when})"


def _strictest(
    direction: str, by_hand: int | None, rules: Sequence[tuple[int, AppRule]], reasons: list[str]
) -> int | None:
    by_rule = None
    for index, rule in rules:
        found: int | None = getattr(rule, direction)
        if found is not None:
            by_rule = found
            reasons.append(f"{direction} at most {format_bps(found)}: rule {_says(index, rule)}")
            break
    if by_hand is not None:
        reasons.append(f"{direction} at most {format_bps(by_hand)}: set by hand")
    return min((limit for limit in (by_hand, by_rule) if limit is not None), default=None)


def matches(pattern: str, who: Identity) -> bool:
    """Whether a rule's ``match`` means this application. Case does not matter; ``\\`` and ``/`` are the same."""
    glob = pattern.strip().casefold().replace("\\", "/")
    if glob.startswith("service:"):
        return any(fnmatchcase(service.casefold(), glob.removeprefix("service:")) for service in who.services)
    if "/" in glob:
        return any(fnmatchcase(path.casefold().replace("\\", "/"), glob) for path in who.paths)
    name = who.app.casefold()
    return fnmatchcase(name, glob) or fnmatchcase(name, glob.removesuffix(".exe"))
