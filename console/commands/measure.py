"""Commands that show what was measured, and ``check``, which reads the settings only."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.commands.context import Context, open_context
from console.commands.options import ConfigOption, DataOption, JsonOption, SinceOption
from console.views.output import console, emit_csv, emit_json, folded, say, warn
from console.views.times import parse_span_ns, parse_time_ns
from qos.contract.documents.live import By
from qos.contract.errors import ConfigError
from qos.system import clock


class ByChoice(StrEnum):
    """What a row stands for."""

    app = "app"
    pid = "pid"


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"


class SourceChoice(StrEnum):
    """Where points are read from."""

    local = "local"
    influxdb = "influxdb"


ByOption = Annotated[ByChoice, typer.Option("--by", help="A row per application or per process.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (top, usage, query, status, report):
        app.command()(command)
    app.command("clear-log")(clear_log)
    app.command()(check)


def top(
    *,
    by: ByOption = ByChoice.app,
    once: Annotated[bool, typer.Option("--once", help="Print the table once and end.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Live table: who receives and sends how much, latency and loss. Press ? in it for its keys."""
    from console.tui import top_once

    kind: By = "pid" if by is ByChoice.pid else "app"
    if once or as_json:
        live = top_once.look(open_context(config, data), open_context(config, data, reading=False))
        if as_json:
            emit_json(top_once.document(live, kind))
        else:
            top_once.show(live, kind, console())
        return
    from console.tui.top import run_top

    run_top(config, data, kind)


def usage(
    *,
    since: SinceOption = "1h",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Default: now.")] = None,
    by: ByOption = ByChoice.app,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Totals per application over a period, with what nobody could be named for."""
    from console.views.history import usage as period
    from console.views.history import usage_table

    context = open_context(config, data)
    start_ns, stop_ns = _period(since, until)
    with context.reading() as store:
        totals = period.usage(store, start_ns, stop_ns, "pid" if by is ByChoice.pid else "app")
    if as_json:
        emit_json(totals.document())
    else:
        console().print(usage_table.render(totals))


def query(
    measurement: Annotated[str, typer.Argument(help="For example app_traffic, host_traffic, probe.")],
    *,
    since: SinceOption = "1h",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Default: now.")] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="SPAN", help="One row per window, such as 1m.")
    ] = None,
    where: Annotated[list[str] | None, typer.Option("--where", metavar="TAG=VALUE", help="Repeatable.")] = None,
    aggregate: Annotated[
        str | None,
        typer.Option("--aggregate", help="auto, sum, mean, min, max, last or count; default with --every: auto."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="The newest rows only.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table,
    source: Annotated[
        SourceChoice, typer.Option("--from", help="The embedded store or InfluxDB.")
    ] = SourceChoice.local,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Any measurement out of the store."""
    from console.views.history import query as body
    from console.views.history.sources import open_source
    from console.views.output import show_whole, table

    context = open_context(config, data)
    start_ns, stop_ns = _period(since, until)
    matching = body.parse_where(where or [])
    every_ns = None if every is None else parse_span_ns(every, "--every")
    with open_source(context, source.value) as reader:
        columns = body.query(
            reader,
            measurement,
            where=matching,
            start_ns=start_ns,
            stop_ns=stop_ns if until is not None else None,
            every_ns=every_ns,
            aggregate=aggregate,
            limit=limit,
        )
    if form is Format.json:
        emit_json(list(body.rows(columns)))
    elif form is Format.csv:
        emit_csv(body.to_csv(columns))
    else:
        rows = [[body.cell(value) for value in row.values()] for row in body.rows(columns)]
        names = ["time", *(name for name in columns if name != "time_ns")]
        show_whole(table([(name, False) for name in names], rows))
        if not rows:
            warn(f"no {measurement} since {since}")


def status(
    *,
    as_json: JsonOption = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take away what a killed AutoQoS left: idle devices, dead packet filters.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Which parts run, how the capture goes, what is lost, the store, and what AutoQoS itself costs."""
    if repair:
        from enforcer.failsafe import repair as leftovers

        removed = leftovers.repair()
        if as_json:
            emit_json({"removed": removed})
        else:
            say(*leftovers.in_words(removed))
        return
    from console.views.status.status import read_status
    from console.views.status.status_table import lines

    now_ns = clock.wall_ns()
    found = read_status(open_context(config, data), now_ns)
    if as_json:
        emit_json(found.document())
    else:
        say(*folded(lines(found)))


def report(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The picture.")] = Path(
        "qos_report.png"
    ),
    since: SinceOption = "1h",
    apps: Annotated[
        list[str] | None, typer.Option("--app", metavar="APP", help="Repeatable; default: collector.resources_of.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """CPU, memory and bandwidth of the chosen applications compared, in one picture."""
    from console.views.report.comparison import period_of
    from console.views.report.report import write_report

    context = open_context(config, data)
    start_ns, stop_ns = _period(since, None)
    with context.reading() as store:
        window = period_of(start_ns, stop_ns, context.config.interval)
        say(*write_report(store, context.config, output, window, tuple(apps or ())))


def clear_log(config: ConfigOption = None, data: DataOption = None) -> None:
    """Empty the log of CPU and memory, before a new test."""
    context = open_context(config, data)
    _needs_store(context)
    with context.writing() as store:
        removed = store.delete("app_resources")
    say(f"resource log emptied: {removed} rows removed")


def check(config: ConfigOption = None, data: DataOption = None) -> None:
    """Validate the settings: every problem at once, each with its key. Exit status 0 or 2."""

    context = open_context(config, data)
    if context.config_path is None:
        say("no config.yaml here: the built-in defaults apply")
    else:
        say(f"{context.config_path}: good")


def _period(since: str, until: str | None) -> tuple[int, int]:
    now_ns = clock.wall_ns()
    start_ns = parse_time_ns(since, now_ns, "--since")
    stop_ns = now_ns if until is None else parse_time_ns(until, now_ns, "--until")
    if stop_ns <= start_ns:
        raise ConfigError("--until: must be after --since")
    return start_ns, stop_ns


def _needs_store(context: Context) -> None:
    if not context.has_store:
        raise ConfigError(f"no data in {context.data} yet: start `autoqos up`, or name the folder with --data")
