"""What is said of a data volume, in lines for people. Dates and times are local."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final

from forecaster.quota.outlook import QuotaOutlook
from forecaster.quota.period import NS_PER_S
from qos.contract.units import format_bytes

LIKELY: Final = 0.5
"""From this chance on the cap is expected to be reached."""
POSSIBLE: Final = 0.1


def lines(one: QuotaOutlook, zone: tzinfo | None = None) -> Iterator[str]:
    """Two or three lines: what was used, when it will be used up, today."""
    share = 100 * one.used_bytes / one.volume_bytes
    yield (
        f"{one.name}: {format_bytes(one.used_bytes)} of {format_bytes(one.volume_bytes)} used "
        f"({share:.0f} %) since {day(one.period.start_ns, zone)}, until {day(one.period.stop_ns - 1, zone)}"
    )
    if one.since_ns > one.period.start_ns and one.used_bytes:
        yield f"counted since {moment(one.since_ns, zone)}: what was used before is not in it"
    yield cap(one, zone)
    today, forecast = one.expected_today, one.forecast
    if today is not None and forecast is not None:
        rest = forecast.rest_of_today
        yield (
            f"today {format_bytes(one.today_bytes)}; until midnight {format_bytes(rest.value)} more are expected "
            f"({format_bytes(rest.lower)} to {format_bytes(rest.upper)})"
        )


def cap(one: QuotaOutlook, zone: tzinfo | None = None) -> str:
    """One line: whether and when the volume will be used up."""
    if one.crossed_ns is not None:
        return f"used up since {moment(one.crossed_ns, zone)}"
    known = one.forecast
    if known is None:
        return f"when it will be used up cannot be said yet: {one.reason}"
    total = (
        f"{format_bytes(known.total.value)} by then "
        f"({format_bytes(known.total.lower)} to {format_bytes(known.total.upper)})"
    )
    few = f"; only {one.history_days} whole days are known" if one.history_days < 7 else ""
    if known.chance >= LIKELY and known.reached_ns is not None:
        return f"expected to be used up about {day(known.reached_ns, zone)} ({between(one, zone)}){few}"
    if known.chance >= POSSIBLE:
        early = f", not before {day(known.early_ns, zone)}" if known.early_ns is not None else ""
        return (
            f"rather enough for the month: {total}; the chance to use it up is {100 * known.chance:.0f} %{early}{few}"
        )
    return f"enough for the month: {total}{few}"


def between(one: QuotaOutlook, zone: tzinfo | None = None) -> str:
    """The 80 % band of the date."""
    known = one.forecast
    if known is None or known.early_ns is None:
        return ""
    late = f"and {day(known.late_ns, zone)}" if known.late_ns is not None else "or later, or not this month"
    word = "between " if known.late_ns is not None else ""
    return f"80 %: {word}{day(known.early_ns, zone)} {late}"


def day(time_ns: int, zone: tzinfo | None = None) -> str:
    """Such as ``24 Nov``."""
    at = datetime.fromtimestamp(time_ns // NS_PER_S, zone)
    return f"{at.day} {at:%b}"


def moment(time_ns: int, zone: tzinfo | None = None) -> str:
    """Such as ``24 Nov 18:05``."""
    return f"{day(time_ns, zone)} {datetime.fromtimestamp(time_ns // NS_PER_S, zone):%H:%M}"
