"""Schedules of rules: ``weekdays 09:00-18:00``, ``sat,sun``, ``mon-thu 22:00-06:00``, ``daily``.

Parses the text of ``apps[].schedule`` and answers whether a local time is inside. A period that passes midnight
belongs to the day on which it began. The end is exclusive; ``00:00-24:00`` is the whole day.
"""

import re
from dataclasses import dataclass, field
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS: Final = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_TIMES: Final = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")
_HELP: Final = "write days, times or both, such as weekdays 09:00-18:00, sat,sun or daily 22:00-06:00"
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A local wall time: Monday is 0; minutes since midnight."""

    weekday: int
    minute: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Days (Monday is 0) and a period in minutes since midnight; ``stop <= start`` passes midnight."""

    days: frozenset[int]
    start: int = 0
    stop: int = _DAY_MINUTES
    text: str = field(default="", compare=False)
    """As it was written."""

    def holds(self, at: LocalTime) -> bool:
        """Whether the schedule is on at this local time."""
        if self.start < self.stop:
            return at.weekday in self.days and self.start <= at.minute < self.stop
        if at.minute >= self.start:
            return at.weekday in self.days
        return at.minute < self.stop and (at.weekday - 1) % 7 in self.days


def parse_schedule(text: str) -> Schedule:
    """The schedule that ``text`` describes. Raises ValueError that says what to write."""
    words = text.lower().split()
    if not words or len(words) > 2:
        raise ValueError(f"{text!r} is not a schedule: {_HELP}")
    times = words.pop() if _TIMES.match(words[-1]) else None
    if len(words) > 1:
        raise ValueError(f"{text!r} is not a schedule: {_HELP}")
    days = _days(words[0], text) if words else frozenset(range(7))
    if times is None:
        return Schedule(days, text=text)
    start, stop = _minutes(times[:5], text), _minutes(times[6:], text)
    if start == stop:
        raise ValueError(f"{text!r}: the period is empty: leave the times out for the whole day")
    if start == _DAY_MINUTES:
        raise ValueError(f"{text!r}: a period cannot start at 24:00: write 00:00")
    return Schedule(days, start, stop, text)


def _days(text: str, whole: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        if part in _GROUPS:
            found.update(_GROUPS[part])
            continue
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{whole!r}: {part!r} is no day: use {', '.join(DAYS)}, daily, weekdays or weekends")
        start, stop = DAYS.index(first), DAYS.index(last or first)
        found.update((start + i) % 7 for i in range((stop - start) % 7 + 1))
    return frozenset(found)


def _minutes(text: str, whole: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:
        raise ValueError(f"{whole!r}: {text} is no time of day: use 00:00 to 24:00")
    return hour * 60 + minute
