"""The list of incidents and its summary, for people: 80 columns, the sentence of evidence below each."""

import datetime
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from console.views.lag.incidents import StoredIncident
from console.views.output import plain
from console.views.table_format import CAUSES
from console.views.times import local_time, rough_span

DAY_NS: Final = 24 * 3600 * 10**9
EVENING: Final = range(18, 24)


def who(incident: StoredIncident) -> str:
    """Who made it, in a few words."""
    if incident.app:
        side = {"down": ", download", "up": ", upload"}.get(incident.direction or "", "")
        return f"{incident.app}{side}"
    return CAUSES.get(incident.cause, incident.cause)


def bad(incident: StoredIncident) -> str:
    """How bad: milliseconds over the usual, loss."""
    words = [f"+{incident.extra_ms:.0f} ms"] if incident.extra_ms >= 1 else []
    if incident.loss_ratio >= 0.02:
        words.append(f"{incident.loss_ratio:.0%} lost")
    return ", ".join(words) or "–"


def lines(incidents: Sequence[StoredIncident], since: str, width: int = 80) -> Iterator[str]:
    """The oldest first, a heading for each day."""
    if not incidents:
        yield f"no lag since {since}"
        return
    day = ""
    for incident in incidents:
        date = _date(incident.start_ns)
        if date != day:
            day = date
            yield date
        ended = "now" if incident.running else local_time(incident.stop_ns)
        span = rough_span(int(incident.duration_s * 1e9))
        head = f"{local_time(incident.start_ns)}–{ended}, {span}, {bad(incident)}: {who(incident)}"
        yield plain(f"{head[: width - 22]:<{width - 21}} {incident.sure:<8}{incident.id:>12}"[:width])
        suffered = f" {incident.suffered} suffered." if incident.suffered else ""
        yield from textwrap.wrap(
            plain(incident.evidence + suffered), width - 2, initial_indent="  ", subsequent_indent="  "
        )


@dataclass(frozen=True, slots=True)
class CauseSum:
    """One cause, or one application, over a period."""

    who: str
    cause: str
    app: str | None
    incidents: int
    minutes: float
    evenings: int


def by_cause(incidents: Sequence[StoredIncident]) -> list[CauseSum]:
    """Minutes of lag per cause and application, the most first."""
    sums: dict[tuple[str, str | None], list[StoredIncident]] = {}
    for incident in incidents:
        sums.setdefault((incident.cause, incident.app), []).append(incident)
    found = [
        CauseSum(
            app or CAUSES.get(cause, cause),
            cause,
            app,
            len(some),
            round(sum(incident.duration_s for incident in some) / 60, 2),
            len({_date(incident.start_ns) for incident in some if _hour(incident.start_ns) in EVENING}),
        )
        for (cause, app), some in sums.items()
    ]
    return sorted(found, key=lambda each: -each.minutes)


def evenings(start_ns: int, stop_ns: int) -> int:
    """How many evenings (18 to 24 o'clock) the period touches."""
    days = {_date(at) for at in range(start_ns, stop_ns, 3600 * 10**9) if _hour(at) in EVENING}
    return max(1, len(days))


def summary_lines(sums: Sequence[CauseSum], of_evenings: int, since: str) -> Iterator[str]:
    """The table of ``--by cause``."""
    if not sums:
        yield f"no lag since {since}"
        return
    yield f"{'made by':<40}{'minutes':>9}{'incidents':>11}{'evenings':>12}"
    for each in sums:
        share = f"{each.evenings} of {of_evenings}"
        yield plain(f"{each.who[:39]:<40}{each.minutes:>9.1f}{each.incidents:>11}{share:>12}")


def summary_document(sums: Sequence[CauseSum], of_evenings: int) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "cause": each.cause,
            "app": each.app,
            "minutes": each.minutes,
            "incidents": each.incidents,
            "evenings": each.evenings,
            "of_evenings": of_evenings,
        }
        for each in sums
    ]


def _local(time_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ns // 10**9, datetime.UTC).astimezone()


def _date(time_ns: int) -> str:
    return _local(time_ns).strftime("%A, %Y-%m-%d")


def _hour(time_ns: int) -> int:
    return _local(time_ns).hour
