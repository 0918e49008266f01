"""``autoqos lag``: who made the lag, when, how bad, how sure. ``autoqos lag show ID`` draws one incident."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.commands.context import Context, open_context
from console.commands.options import ConfigOption, DataOption, JsonOption, SinceOption
from console.views.lag import listing
from console.views.lag.incidents import StoredIncident, find_incident, read_incidents
from console.views.output import columns, emit_json, say
from console.views.times import parse_time_ns
from qos.contract.errors import ConfigError
from qos.store import Reader
from qos.system import clock

WIDEST = 100


class LagBy(StrEnum):
    """What the summary is by."""

    cause = "cause"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(lag)


def lag(
    action: Annotated[str | None, typer.Argument(metavar="[show ID]", help="show: draw one incident.")] = None,
    incident: Annotated[
        str | None, typer.Argument(metavar="", help="The id that the list ends with, part of it, or: last.")
    ] = None,
    *,
    since: SinceOption = "24h",
    by: Annotated[LagBy | None, typer.Option("--by", help="Minutes of lag per cause and application.")] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="With show: write a picture.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge the stored measurements anew, with link: as it is set now.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Who made the lag: every slow moment with its cause, how sure that is, and the evidence."""
    if action is not None:
        if action != "show" or incident is None:
            raise ConfigError(f"lag: {action!r} is no action here: `autoqos lag`, or `autoqos lag show ID`")
        if again:
            raise ConfigError("lag show: --again is for the list only")
        # An incident is looked for further back than the list reaches, unless somebody says how far.
        _show(incident, "7d" if since == "24h" else since, png, as_json=as_json, config=config, data=data)
        return
    context = open_context(config, data)
    now_ns = clock.wall_ns()
    start_ns = parse_time_ns(since, now_ns, "--since")
    with context.reading() as store:
        found = _judge_again(context, store, start_ns, now_ns) if again else read_incidents(store, start_ns, now_ns + 1)
    if by is not None:
        sums, evenings = listing.by_cause(found), listing.evenings(start_ns, now_ns)
        if as_json:
            emit_json(listing.summary_document(sums, evenings))
        else:
            say(*listing.summary_lines(sums, evenings, since))
    elif as_json:
        emit_json([each.document() for each in found])
    else:
        say(*listing.lines(found, since, min(WIDEST, columns())))


def _judge_again(context: Context, store: Reader, start_ns: int, now_ns: int) -> list[StoredIncident]:
    from console.views.lag.again import judge_again

    return judge_again(store, context.config, start_ns, now_ns + 1)


def _show(wanted: str, since: str, png: Path | None, *, as_json: bool, config: Path | None, data: Path | None) -> None:
    from console.views.lag import drawing
    from console.views.lag.around import read_around

    context = open_context(config, data)
    now_ns = clock.wall_ns()
    with context.reading() as store:
        found = read_incidents(store, parse_time_ns(since, now_ns, "--since"), now_ns + 1)
        incident = find_incident(found, wanted)
        around = read_around(store, incident, context.config.interval)
    if png is not None:
        from console.views.lag.picture import draw

        draw(around, png)
        say(f"{png} written")
    elif as_json:
        emit_json(incident.document())
    else:
        width = min(WIDEST, columns())
        say(*listing.lines([incident], since, width), "", *drawing.lines(around, width))
