"""InfluxQL: the query model that Grafana's InfluxDB plugin reads, and the few query shapes that every panel uses.

Bytes are stored as deltas per tick; a rate over a window is ``sum * 8000 / window in ms``, whatever the tick was, as long
as a window is no shorter than a tick (``STEP``) and whole (``whole``: the first and the last, partial one are left out,
and those that have not ended).

Each measured panel asks three sources, of which exactly one answers: the rows as written, the 5-minute windows or the
hourly ones (docs/decisions/0070), chosen by the width of the dashboard's range. InfluxQL folds a comparison of
constants before it looks for series, so the two others cost nothing (docs/decisions/0081).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models.common import DataSourceRef

UID: Final = "influx-influxql"
SOURCE: Final = DataSourceRef(type_val="influxdb", uid=UID)
HOST: Final = '"host" =~ /^$host$/'
APP: Final = '"app" =~ /^$app$/'
TARGET: Final = '"target" =~ /^$target$/'
BEYOND: Final = "\"target\" != 'gateway'"
"""What lies behind the router: the gateway is near whatever the line does, and would make every mean look better."""
SENT: Final = '"sent" > 0'
"""A probe that could not be sent is no loss; and InfluxQL's ``x / 0`` is 0, so that without this it would be all lost."""
LIMITED: Final = '"active" = 1'
TOP: Final = '"app" =~ /^$top$/'
NOT_TOP: Final = '"app" !~ /^$top$/'
MAX_POINTS: Final = 300
"""Windows a panel asks for: 5 minutes from 17.5 hours on and an hour from 9.4 days on, by Grafana's rounding."""
STEP: Final = "0${step}s"
"""A panel's shortest window: the agent's own interval, at least 5 s. An empty variable makes it 0s: no minimum."""


@dataclass(frozen=True)
class Source:
    """Where rows of one resolution are: retention policy, the widths in ms that it serves, how late a row may be."""

    name: str
    policy: str
    above_ms: int
    below_ms: int
    lag_ms: int

    def chosen(self) -> str:
        """True when this source answers for the dashboard's range; rows as written also when the person asks for them."""
        if not self.above_ms:
            return f"('$detail' = 'raw' OR ({WIDTH}) < {self.below_ms})"
        below = f" AND ({WIDTH}) < {self.below_ms}" if self.below_ms else ""
        return f"('$detail' = 'auto' AND ({WIDTH}) >= {self.above_ms}{below})"

    def table(self, measurement: str) -> str:
        """The measurement as ``FROM`` wants it."""
        return f'{self.policy}"{measurement}"'


WIDTH: Final = "$__to - $__from"
_HOUR_MS: Final = 3_600_000
_HALF_YEAR_MS: Final = 4320 * _HOUR_MS
RAW: Final = Source("raw", "", 0, 26 * _HOUR_MS, 10_000)
FIVE: Final = Source("5m", '"5m".', 26 * _HOUR_MS, 240 * _HOUR_MS, 120_000)
HOUR: Final = Source("1h", '"1h".', 240 * _HOUR_MS, 0, 120_000)
SOURCES: Final = (RAW, FIVE, HOUR)
_EPOCH: Final = "'1970-01-01T00:00:00Z'"


@dataclass(frozen=True)
class Reading:
    """One or more values of a query, as the rows as written give them and as the coarse ones do."""

    raw: str
    coarse: str = ""

    def of(self, source: Source) -> str:
        """The select clause for one source."""
        return self.coarse or self.raw if source.policy else self.raw

    def named(self, name: str) -> "Reading":
        """With a column's name."""
        return Reading(f'{self.raw} AS "{name}"', f'{self.coarse or self.raw} AS "{name}"')

    def __add__(self, other: "Reading") -> "Reading":
        """Both, as two columns."""
        return Reading(f"{self.raw}, {other.raw}", f"{self.coarse or self.raw}, {other.coarse or other.raw}")


def rate_bps(field: str) -> Reading:
    """A byte delta as bits per second over the window."""
    return Reading(f'sum("{field}") * 8000 / $__interval_ms')


def both_bps() -> Reading:
    """Received and sent together, as bits per second over the window."""
    return Reading('(sum("rx_bytes") + sum("tx_bytes")) * 8000 / $__interval_ms')


def total(field: str) -> Reading:
    """The sum of deltas."""
    return Reading(f'sum("{field}")')


def mean(field: str) -> Reading:
    """The mean of the rows as written: coarse rows carry their sum and count, for a mean of means is none."""
    return Reading(f'mean("{field}")', f'sum("{field}_sum") / sum("{field}_n")')


def largest(field: str) -> Reading:
    """The worst case of a field that is rolled up by its largest value."""
    return Reading(f'max("{field}")')


def peak(field: str) -> Reading:
    """The largest of a field that is rolled up by its mean."""
    return Reading(f'max("{field}")', f'max("{field}_max")')


def newest(field: str) -> Reading:
    """The last value."""
    return Reading(f'last("{field}")')


LOST: Final = Reading('1 - sum("received") / sum("sent")')
"""The share of the echoes without an answer, over rows where something was ``SENT``."""


def row_count(field: str) -> Reading:
    """How many rows were written."""
    return Reading(f'count("{field}")', 'sum("n")')


@dataclass
class InfluxQuery(variants.Dataquery):
    """The model of one raw InfluxQL target (``public/app/plugins/datasource/influxdb/types.ts``)."""

    ref_id: str
    query: str
    alias: str
    result_format: str

    def to_json(self) -> dict[str, object]:
        """The JSON that Grafana stores."""
        body: dict[str, object] = {
            "refId": self.ref_id,
            "datasource": SOURCE.to_json(),
            "rawQuery": True,
            "query": self.query,
            "resultFormat": self.result_format,
        }
        return {**body, "alias": self.alias} if self.alias else body


@dataclass(frozen=True)
class Target(cogbuilder.Builder[variants.Dataquery]):
    """A panel's query."""

    query: str
    alias: str = ""
    ref_id: str = "A"
    result_format: str = "time_series"

    def build(self) -> variants.Dataquery:
        """The query model."""
        return InfluxQuery(self.ref_id, self.query, self.alias, self.result_format)


def lettered(targets: Sequence[Target], result_format: str) -> list[Target]:
    """The targets of one panel with a ``refId`` each: A, B, …"""
    return [replace(t, ref_id=chr(ord("A") + i), result_format=result_format) for i, t in enumerate(targets)]


def over_time(
    reading: Reading,
    measurement: str,
    where: Sequence[str] = (HOST,),
    by: Sequence[str] = ("host",),
    *,
    alias: str,
    fill: str = "null",
) -> list[Target]:
    """Per window and tag, one target a source. ``fill="0"`` for what is silent when idle, else a gap stays a gap."""
    tags = "".join(f', "{tag}"' for tag in by)
    return [
        Target(
            f"SELECT {reading.of(source)} FROM {source.table(measurement)} "
            f"WHERE {' AND '.join([source.chosen(), *where, '$timeFilter', whole(source)])} "
            f"GROUP BY time($__interval){tags} fill({fill})",
            alias,
        )
        for source in SOURCES
    ]


def hourly(reading: Reading, measurement: str, where: Sequence[str] = (HOST,)) -> Target:
    """One row an hour over the range, or over the last four weeks when the range is shorter than one."""
    weeks = f"(({WIDTH}) >= {168 * _HOUR_MS} AND time >= $__from * 1000000)"
    least = f"(({WIDTH}) < {168 * _HOUR_MS} AND time >= ($__to - {672 * _HOUR_MS}) * 1000000)"
    spans = ", ".join(
        f"(SELECT {reading.coarse or reading.raw} FROM {HOUR.table(measurement)} "
        f"WHERE {' AND '.join([span, *where, 'time <= $__to * 1000000'])} GROUP BY time(1h) fill(none))"
        for span in (weeks, least)
    )
    return Target(f'SELECT "v" FROM {spans}')


def over_range(
    reading: Reading, measurement: str, where: Sequence[str] = (HOST,), by: Sequence[str] = ("host",)
) -> list[Target]:
    """One row per tag set for the dashboard's whole range, one target a source: what does not add up (see ``totals``).

    From 7 hours on windows are read: a percentile of a day as written takes seconds.
    """
    tags = ", ".join(f'"{tag}"' for tag in by)
    limit_ms = 7 * _HOUR_MS
    sources = (replace(RAW, below_ms=limit_ms), replace(FIVE, above_ms=limit_ms), HOUR)
    return [
        Target(
            f"SELECT {reading.of(source)} FROM {source.table(measurement)} "
            f"WHERE {' AND '.join([source.chosen(), *where, '$timeFilter'])}" + (f" GROUP BY {tags}" if tags else "")
        )
        for source in sources
    ]


def totals(
    fields: Mapping[str, str],
    measurement: str,
    where: Sequence[str] = (HOST,),
    by: Sequence[str] = ("host",),
    *,
    not_of_years: Sequence[str] = (),
) -> list[Target]:
    """Sums (or largest values) over the dashboard's whole range, from the coarsest rows that still give them exactly.

    ``fields``: a column → ``sum("rx_bytes")`` or ``max("flows")``. From 2 to 26 hours whole 5-minute windows are added to
    the rows as written before the first and after the last of them. Columns ``not_of_years`` are not asked for beyond 180
    days: each costs a third of a second there.
    """
    tags = ", ".join(f'"{tag}"' for tag in by)
    grouped = f" GROUP BY {tags}" if tags else ""
    targets = []
    for spans in _parts(measurement):
        if len(spans) == 1:
            table, chosen, span = spans[0]
            yearly = table == HOUR.table(measurement)
            few = [name for name in fields if yearly and name in not_of_years]
            for names, limit in (([n for n in fields if n not in few], ()), (few, (f"({WIDTH}) < {_HALF_YEAR_MS}",))):
                columns = ", ".join(f'{fields[name]} AS "{name}"' for name in names)
                condition = " AND ".join([chosen, *limit, *where, span])
                targets += [Target(f"SELECT {columns} FROM {table} WHERE {condition}{grouped}")] if names else []
            continue
        # A column a query: InfluxQL runs every subquery once for each column of the outer one.
        for name, reading in fields.items():
            parts = ", ".join(
                f'(SELECT {reading} AS "{name}" FROM {table} WHERE {" AND ".join([chosen, *where, span])}{grouped})'
                for table, chosen, span in spans
            )
            outer = f'{reading.split("(")[0]}("{name}") AS "{name}"'
            targets.append(Target(f"SELECT {outer} FROM {parts}{grouped}"))
    return targets


def _parts(measurement: str) -> list[list[tuple[str, str, str]]]:
    """Alternatives, of which the range chooses one: the (table, condition, span of time) that make up the whole range."""
    first = "($__from - $__from % 300000 + 300000) * 1000000"
    last = "($__to - 420000 - ($__to - 420000) % 300000) * 1000000"
    start, stop = "time >= $__from * 1000000", "time <= $__to * 1000000"
    written, windows = RAW.table(measurement), FIVE.table(measurement)
    short = f"('$detail' = 'raw' OR ({WIDTH}) < {2 * _HOUR_MS})"
    mixed = f"('$detail' = 'auto' AND ({WIDTH}) >= {2 * _HOUR_MS} AND ({WIDTH}) < {RAW.below_ms})"
    return [
        [(written, short, f"{start} AND {stop}")],
        [
            (windows, mixed, f"time >= {first} AND time < {last}"),
            (written, mixed, f"{start} AND time < {first}"),
            (written, mixed, f"time >= {last} AND {stop}"),
        ],
        *([(source.table(measurement), source.chosen(), f"{start} AND {stop}")] for source in (FIVE, HOUR)),
    ]


def points(
    select: str, measurement: str, where: Sequence[str] = (HOST,), by: Sequence[str] = ("host",), *, alias: str
) -> Target:
    """Sparse rows as they are, such as forecasts on their own grid: no window, so no gaps between their points."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    return Target(f'SELECT {select} FROM "{measurement}" WHERE {_and(where)} GROUP BY {tags}', alias)


def recent(
    select: str,
    measurement: str,
    seconds: int,
    where: Sequence[str] = (HOST,),
    by: Sequence[str] = (),
    *,
    lag_s: int = 10,
) -> Target:
    """One row per tag set for the last ``seconds``, whatever the dashboard's range: what "now" means."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    window = f"time > now() - {seconds + lag_s}s AND time <= now() - {lag_s}s"
    return Target(
        f'SELECT {select} FROM "{measurement}" WHERE {" AND ".join([*where, window])}'
        + (f" GROUP BY {tags}" if tags else "")
    )


def raw(select: str, measurement: str, where: Sequence[str], limit: int = 200) -> Target:
    """Rows as they are, newest first."""
    return Target(f'SELECT {select} FROM "{measurement}" WHERE {_and(where)} ORDER BY time DESC LIMIT {limit}')


def tag_values(measurement: str, tag: str, where: str = "") -> str:
    """A variable's query."""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"' + (f" WHERE {where}" if where else "")


def step_query() -> str:
    """The agents' interval in seconds, the longest of the hosts' and at least 5: what a window must hold."""
    rows = "\"part\" = 'collector' AND time > now() - 15m"
    return (
        f'SELECT floor(max("s")) FROM (SELECT median("e") / 1000 AS "s" FROM (SELECT elapsed("rss_bytes", 1ms) AS "e" '
        f'FROM "agent" WHERE {rows} GROUP BY "host") GROUP BY "host"), '
        f'(SELECT 0 * count("rss_bytes") + 5 AS "s" FROM "agent" WHERE {rows})'
    )


def top_query(where: Sequence[str], count: int) -> str:
    """The applications that moved the most in the range."""
    alternatives = totals({"b": 'sum("rx_bytes") + sum("tx_bytes")'}, "app_traffic", where, ("app",))
    sums = ", ".join(f"({target.query})" for target in alternatives)
    return (
        (
            f'SELECT "app", "b" FROM (SELECT top("b", "app", {count}) AS "b" FROM '
            f'(SELECT sum("b") AS "b" FROM {sums} GROUP BY "app"))'
        )
        .replace("$__from", "${__from}")
        .replace("$__to", "${__to}")
    )


def whole(source: Source) -> str:
    """Whole windows only, and none whose rows may still be on their way. InfluxQL takes an integer as nanoseconds."""
    return f"time >= ($__from - $__from % $__interval_ms + $__interval_ms) * 1000000 AND {ended(source)}"


def ended(source: Source) -> str:
    """Windows that were over by the end of the range, and by now: ranges such as "Today" and Forecast's end later.

    A time has no modulo in InfluxQL, but the duration between two can be divided by an integer, which truncates.
    """
    end, width = f"$__to - {source.lag_ms}", "($__interval_ms * 1000000)"
    return (
        f"time < ({end} - ({end}) % $__interval_ms) * 1000000 "
        f"AND time < {_EPOCH} + (now() - {source.lag_ms}ms - {_EPOCH}) / {width} * {width}"
    )


def _and(where: Sequence[str]) -> str:
    return " AND ".join([*where, "$timeFilter"])
