"""What was measured: usage, any measurement, the timeline, lag incidents, forecasts and their scores, events."""

import csv
import io
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from console.page import history
from console.page.api.operation import Answer, Call, Input
from console.page.problems import Fault, Problem
from console.views.history import query as queries
from console.views.history.usage import PeriodUsage, usage
from console.views.times import parse_span_ns, parse_time_ns, rfc3339
from qos.contract.errors import ConfigError
from qos.contract.points import SPECS

MOST_ROWS: Final = 10_000
_Time = Annotated[str, Field(max_length=40, examples=["1h", "7d", "2026-11-21T03:00:00Z"])]


class PeriodInput(Input):
    """A period: how far back, or times; ``until`` defaults to now."""

    since: _Time = "1h"
    until: _Time | None = None


class UsageInput(PeriodInput):
    """Totals per application or process."""

    since: _Time = "24h"
    by: Literal["app", "pid"] = "app"
    format: Literal["json", "csv"] = "json"


class QueryInput(PeriodInput):
    """Rows of one measurement."""

    every: Annotated[str | None, Field(max_length=40, examples=["1m"])] = None
    aggregate: Literal["auto", "sum", "mean", "min", "max", "last", "count"] | None = None
    where: Annotated[tuple[str, ...], Field(max_length=20, examples=[["app=firefox"]])] = ()
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1000
    format: Literal["json", "csv"] = "json"


class TimelineInput(PeriodInput):
    """A chart: so many points at most."""

    points: Annotated[int, Field(ge=10, le=2000)] = 600
    app: Annotated[str | None, Field(max_length=256)] = None


class IncidentsInput(PeriodInput):
    """Lag incidents of a period."""

    since: _Time = "7d"
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class ForecastInput(Input):
    """One series, or all."""

    series: Annotated[str | None, Field(max_length=256)] = None


def get_usage(call: Call) -> Answer:
    """Totals: named, without a name, and the host's."""
    start_ns, stop_ns = period(call)
    totals = usage(call.service.store, start_ns, stop_ns, call.query.by)
    if call.query.format == "csv":
        return Answer(text=usage_csv(totals), media="text/csv", headers=_download("usage.csv"))
    return Answer(totals.document())


def usage_csv(totals: PeriodUsage) -> str:
    """RFC 4180: a row per application (or process), then ``(unattributed)`` and ``(host)``."""
    text = io.StringIO()
    who = ["app"] if totals.by == "app" else ["app", "pid"]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*who, "rx_bytes", "tx_bytes", "rx_packets", "tx_packets"])
    for row in totals.rows:
        name = [_inert(row.app)] if totals.by == "app" else [_inert(row.app), row.pid]
        writer.writerow([*name, row.rx_bytes, row.tx_bytes, row.rx_packets, row.tx_packets])
    blank = [""] * (len(who) - 1)
    writer.writerow(["(unattributed)", *blank, totals.unattributed_rx_bytes, totals.unattributed_tx_bytes, "", ""])
    writer.writerow(["(host)", *blank, totals.host_rx_bytes, totals.host_tx_bytes, "", ""])
    return text.getvalue()


def _inert(name: str) -> str:
    """A name that a spreadsheet does not take for a formula (owasp.org, "CSV Injection")."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def get_query(call: Call) -> Answer:
    """Rows, the newest ``limit`` of the period; ``next`` is the ``until`` of the page before them."""
    measurement = call.path["measurement"]
    if measurement not in SPECS:
        raise Problem(404, f"there is no such measurement: there are {', '.join(SPECS)}")
    start_ns, stop_ns = period(call)
    every = call.query.every
    every_ns = None if every is None else parse_span_ns(every, "every")
    try:
        columns = queries.query(
            call.service.store,
            measurement,
            where=queries.parse_where(call.query.where),
            start_ns=start_ns,
            stop_ns=stop_ns,
            every_ns=every_ns,
            aggregate=call.query.aggregate,
            limit=call.query.limit,
        )
    except (KeyError, ValueError) as error:
        raise Problem(422, str(error.args[0] if error.args else error)) from None
    if call.query.format == "csv":
        return Answer(text=queries.to_csv(columns), media="text/csv", headers=_download(f"{measurement}.csv"))
    body: dict[str, Any] = {"measurement": measurement, "rows": list(queries.rows(columns))}
    if len(body["rows"]) >= call.query.limit:
        body["next"] = body["rows"][0]["time"]
    return Answer(body)


def get_timeline(call: Call) -> Answer:
    """Traffic, latency, gaps, lag incidents and events on one grid."""
    start_ns, stop_ns = period(call)
    service = call.service
    every_ns = history.step_ns(start_ns, stop_ns, call.query.points, service.config.interval)
    grid = history.Grid.over(start_ns, stop_ns, every_ns)
    found = history.traffic(service.store, grid, call.query.app)
    return Answer(
        found
        | {
            "gaps": history.gaps(found["ran"], grid),
            "probes": history.latency(service.store, grid),
            "incidents": [history.incident_object(row) for row in history.incidents(service.store, start_ns, stop_ns)],
            "events": history.events(service.store, start_ns, stop_ns),
        }
    )


def get_incidents(call: Call) -> Answer:
    """Lag incidents, newest first."""
    start_ns, stop_ns = period(call)
    found = history.incidents(call.service.store, start_ns, stop_ns, call.query.limit)
    return Answer({"incidents": [history.incident_object(row) for row in found]})


def get_incident(call: Call) -> Answer:
    """One incident with what every application did around it."""
    text = call.path["id"]
    if not text.isdecimal() or len(text) > 15:
        raise Problem(404, "there is no such incident")
    start_ns = int(text) * 10**6
    found = history.incidents(call.service.store, start_ns, start_ns + 10**6, 1)
    if not found:
        raise Problem(404, "there is no such incident")
    stop_ns = start_ns + int((found[0].duration_s or 1) * 1e9)
    totals = usage(call.service.store, start_ns - 3 * 10**9, stop_ns, "app")
    suspects = [row.document() for row in totals.rows[:10]]
    return Answer(history.incident_object(found[0]) | {"traffic": suspects})


def get_forecast(call: Call) -> Answer:
    """The newest forecast of each series with its band and baseline, and what was measured before it."""
    reader, now_ns = call.service.store, call.now_ns
    where = {"series": call.query.series} if call.query.series is not None else None
    rows = reader.read("forecast", start_ns=now_ns - 86400 * 10**9, where=where)
    newest: dict[str, int] = {}
    for series, made_at in zip(rows["series"], rows["made_at"], strict=True):
        newest[series] = max(newest.get(series, 0), made_at)
    found: dict[str, dict[str, Any]] = {}
    for index, time_ns in enumerate(rows["time_ns"]):
        series = rows["series"][index]
        if rows["made_at"][index] != newest[series]:
            continue
        entry = found.setdefault(
            series,
            {"series": series, "model": rows["model"][index], "made_at": rfc3339(newest[series]), "steps": []},
        )
        step = {name: rows[name][index] for name in ("value", "lower", "upper", "baseline")}
        entry["steps"].append({"time_ms": time_ns // 10**6} | step)
    return Answer({"forecasts": sorted(found.values(), key=lambda entry: entry["series"])})


def get_scores(call: Call) -> Answer:
    """The newest score of every model of every series: how good it was on later data."""
    rows = call.service.store.read("forecast_score", start_ns=call.now_ns - 7 * 86400 * 10**9)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    names = ("mae", "rmse", "mase", "r2", "coverage", "samples", "published")
    for index, time_ns in enumerate(rows["time_ns"]):
        key = (rows["series"][index], rows["model"][index])
        scores = {name: rows[name][index] for name in names}
        newest[key] = {"series": key[0], "model": key[1], "time": rfc3339(time_ns)} | scores
    return Answer({"scores": [newest[key] for key in sorted(newest)]})


def get_events(call: Call) -> Answer:
    """What happened: decisions, restarts, actions, lag."""
    start_ns, stop_ns = period(call)
    return Answer({"events": history.events(call.service.store, start_ns, stop_ns, call.query.limit)})


def period(call: Call) -> tuple[int, int]:
    """The period of a query, UTC nanoseconds. Raises Problem."""
    try:
        start_ns = parse_time_ns(call.query.since, call.now_ns, "since")
        until = call.query.until
        stop_ns = call.now_ns if until is None else parse_time_ns(until, call.now_ns, "until")
    except (ConfigError, OverflowError, ValueError) as error:
        line = error.lines[0] if isinstance(error, ConfigError) else "since: out of range"
        raise Problem(422, line, [Fault(line.partition(":")[0], line.partition(":")[2].strip())]) from None
    if stop_ns <= start_ns:
        raise Problem(422, "until: must be after since", [Fault("until", "must be after since")])
    if start_ns < 0 or stop_ns > 9_000_000_000_000_000_000:
        start_ns = max(0, start_ns)
        stop_ns = min(stop_ns, 9_000_000_000_000_000_000)
    return start_ns, stop_ns


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
