"""The month that a data volume is counted in: from its start day to the next one, in local time. Pure.

A start day that a month lacks (31 in April, 29-31 in February) is that month's last day. Local days have 23 to 25 hours
where the clock is changed; they are cut where the calendar changes.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class QuotaPeriod:
    """``start_ns <= time < stop_ns``, UTC."""

    start_ns: int
    stop_ns: int


def period_at(now_ns: int, start_day: int, zone: tzinfo | None = None) -> QuotaPeriod:
    """The month that holds ``now_ns``. ``start_day`` 1-31; ``zone`` None: the zone that this computer is set to."""
    today = local_date(now_ns, zone)
    first = _begins(today.year, today.month, start_day)
    if today < first:
        following, first = first, _begins(*_month(today, -1), start_day)
    else:
        following = _begins(*_month(today, 1), start_day)
    return QuotaPeriod(day_start_ns(first, zone), day_start_ns(following, zone))


def local_days(start_ns: int, stop_ns: int, zone: tzinfo | None = None) -> Iterator[tuple[date, QuotaPeriod]]:
    """Every local day that overlaps the span, whole."""
    day = local_date(start_ns, zone)
    while (begin := day_start_ns(day, zone)) < stop_ns:
        following = day + timedelta(days=1)
        yield day, QuotaPeriod(begin, day_start_ns(following, zone))
        day = following


def day_start_ns(day: date, zone: tzinfo | None = None) -> int:
    """The day's first moment, UTC. Where the clock skips midnight, the moment of the skip."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return round(midnight.timestamp()) * NS_PER_S


def local_date(time_ns: int, zone: tzinfo | None = None) -> date:
    """The calendar's day at this moment."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, zone).date()


def _begins(year: int, month: int, start_day: int) -> date:
    return date(year, month, min(start_day, monthrange(year, month)[1]))


def _month(day: date, by: int) -> tuple[int, int]:
    number = day.year * 12 + day.month - 1 + by
    return number // 12, number % 12 + 1
