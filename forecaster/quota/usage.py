"""What was used, read from a store: in the month so far, today, and in each whole day before today.

Bytes both ways, as this computer's agent counted them: of all its interfaces, or of one application. What the agent did
not see (it did not run, another device on the line) is not in it. A day on which it never ran counts as a day without
traffic once there is a first measurement: a computer that is off uses nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from forecaster.quota.period import QuotaPeriod, day_start_ns, local_date, local_days
from forecaster.quota.projection import DayUsage
from qos.store import Reader

SLOT_NS: Final = 900 * 10**9
"""Every time zone's days begin at a multiple of it."""
DAY_NS: Final = 86_400 * 10**9
HISTORY_NS: Final = 56 * DAY_NS
"""Eight weeks: what lies before says little of today's habits."""


@dataclass(frozen=True, slots=True)
class MeasuredUsage:
    """What is known at one moment."""

    used_bytes: int
    """In the period so far."""
    since_ns: int
    """What is counted begins here, UTC: with the period, or with the first measurement in it."""
    today_bytes: int
    days: tuple[DayUsage, ...]
    """Whole local days before today, oldest first."""
    crossed_ns: int | None
    """End of the slot in which the volume was reached, UTC; None: it is not."""


def read_usage(
    reader: Reader,
    host: str,
    app: str | None,
    now_ns: int,
    *,
    period: QuotaPeriod,
    volume_bytes: int,
    zone: tzinfo | None,
) -> MeasuredUsage | None:
    """None when nothing was measured yet. Raises StoreUnavailable."""
    today_ns = day_start_ns(local_date(now_ns, zone), zone)
    start_ns = min(period.start_ns, today_ns - HISTORY_NS)
    measured = _slots(reader, "host_traffic", {"host": host}, start_ns, now_ns)
    if not measured:
        return None
    first_ns = min(measured)
    slots = measured if app is None else _slots(reader, "app_traffic", {"host": host, "app": app}, start_ns, now_ns)
    days = []
    for day, span in local_days(first_ns, today_ns, zone):
        if span.start_ns > first_ns - SLOT_NS and span.stop_ns <= today_ns:
            count = (span.stop_ns - span.start_ns) // SLOT_NS
            days.append(DayUsage(day, tuple(slots.get(span.start_ns + k * SLOT_NS, 0) for k in range(count))))
    used, crossed_ns = 0, None
    for at_ns in sorted(at for at in slots if at >= period.start_ns):
        used += slots[at_ns]
        if crossed_ns is None and used >= volume_bytes:
            crossed_ns = min(at_ns + SLOT_NS, now_ns)
    return MeasuredUsage(
        used,
        max(period.start_ns, first_ns),
        sum(moved for at, moved in slots.items() if at >= today_ns),
        tuple(days),
        crossed_ns,
    )


def _slots(reader: Reader, measurement: str, where: Mapping[str, str], start_ns: int, stop_ns: int) -> dict[int, int]:
    found = reader.read(
        measurement,
        ["rx_bytes", "tx_bytes"],
        where=where,
        start_ns=max(0, start_ns // SLOT_NS * SLOT_NS),
        stop_ns=stop_ns,
        every_ns=SLOT_NS,
        aggregate="sum",
        by=[],
    )
    rows = zip(found["time_ns"], found["rx_bytes"], found["tx_bytes"], strict=True)
    return {time_ns: int(rx or 0) + int(tx or 0) for time_ns, rx, tx in rows}
