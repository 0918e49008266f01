"""What was measured at all: heartbeats counted, so that an outage is seen at every range.

The collector writes a heartbeat every tick, other parts every ten seconds. The share of a window in which they came is the
same at every agent interval:

- below 5 hours a window is short, and any row in it makes it present;
- rows as written beyond that: the share of the window's minutes that have a row;
- 5-minute windows (kept 180 days) and hourly ones carry ``n``, their count of rows: its sum over the window against what
  the upper quartile of them makes of the whole window.

So an outage that covers a whole minute (a whole 5-minute window from 26 hours on, an hour beyond 180 days) is never lost,
however wide the windows of the panel are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana.generate.parts.influxql import FIVE, HOST, HOUR, RAW, WIDTH, Source, Target, ended, whole

NOT_MEASURED: Final = "not measured"
COLLECTOR: Final = "\"part\" = 'collector'"
_HOUR_MS: Final = 3_600_000
_SHORT_MS: Final = 5 * _HOUR_MS
_FIVES_MS: Final = 4320 * _HOUR_MS
"""As long as 5-minute windows are kept."""


@dataclass(frozen=True)
class _Way:
    """One way to say which share of a window had heartbeats: where to read, when it is chosen, the share, its own window."""

    source: Source
    chosen: str
    share: str
    window: str = "$__interval"


def _counted(window_ms: int) -> str:
    return f'sum("n") * {window_ms}.0 / (percentile("n", 75) * $__interval_ms)'


_ANY: Final = '1 - floor(1 / (1 + count("rss_bytes")))'
_TRACE: Final = "0.000001"
"""More than nothing and less than any share."""
_WAYS: Final = (
    _Way(RAW, f"({WIDTH}) < {_SHORT_MS}", _ANY),
    _Way(
        RAW,
        f"(({WIDTH}) >= {_SHORT_MS} AND ('$detail' = 'raw' OR ({WIDTH}) < {RAW.below_ms}))",
        _ANY,
        "1m",
    ),
    _Way(
        FIVE,
        f"('$detail' = 'auto' AND ({WIDTH}) >= {RAW.below_ms} AND ({WIDTH}) < {_FIVES_MS})",
        _counted(300_000),
    ),
    _Way(HOUR, f"('$detail' = 'auto' AND ({WIDTH}) >= {_FIVES_MS})", _counted(_HOUR_MS)),
)


def _shares(way: _Way, where: Sequence[str], by: Sequence[str]) -> str:
    """Per window and tag the share that had heartbeats, 0 without any; nothing at all where another way is chosen."""
    tags = "".join(f', "{tag}"' for tag in by)
    return (
        f'SELECT {way.share} AS "p" FROM {way.source.table("agent")} '
        f"WHERE {' AND '.join([way.chosen, *where, '$timeFilter', whole(way.source)])} "
        f"GROUP BY time({way.window}){tags} fill(0)"
    )


def outages() -> list[Target]:
    """Per host the share of each window without measurements, 0 to 1: a grey band a host, as high as that share.

    Idle is 0 and not a gap, so a panel of applications needs it to tell "idle" from "not running". The hosts stay apart:
    both engines forget to merge windows that a subquery has filled (``fill(0)``) when the outer query drops a tag.
    """
    return [Target(_since_first("1 - ", way, (HOST, COLLECTOR), ("host",)), NOT_MEASURED) for way in _WAYS]


def running(by: Sequence[str], alias: str) -> list[Target]:
    """The share of each window in which each part wrote its heartbeats, from the part's first in the range on."""
    return [Target(_since_first("", way, (HOST,), by), alias) for way in _WAYS]


def _since_first(sign: str, way: _Way, where: Sequence[str], by: Sequence[str]) -> str:
    """Windows before the first heartbeat of the range are left out: a computer that is new was not silent before.

    Its first window, of which it ran for a part, is left out too. One that the hours of the 30 days before know was: they add a trace that makes the sum more than 0, and is not drawn.
    """
    tags = ", ".join(f'"{tag}"' for tag in by)
    start, stop = "time >= ($__from - 2592000000) * 1000000", ended(way.source)
    known = (
        f'SELECT 0 * count("n") + {_TRACE} AS "p" FROM {HOUR.table("agent")} '
        f"WHERE {' AND '.join([way.chosen, *where, start, 'time < $__from * 1000000'])} GROUP BY {tags}"
    )
    # The share is the sum's difference: a column of its own would make InfluxQL run the subqueries once more.
    return (
        f'SELECT {sign}"v" FROM (SELECT difference("s") AS "v" FROM (SELECT cumulative_sum(mean("p")) AS "s" '
        f"FROM ({_shares(way, where, by)}), ({known}) "
        f"WHERE {start} AND {stop} GROUP BY time($__interval), {tags} fill(none)) "
        f'WHERE "s" > 0 GROUP BY {tags}) WHERE "v" = 0 OR "v" > 10 * {_TRACE} GROUP BY {tags}'
    )
