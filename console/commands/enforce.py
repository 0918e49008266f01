"""Commands that steer the enforcer by hand, and the ones that say what it decided and why."""

from pathlib import Path
from typing import Annotated

import typer

from console.commands.context import open_context
from console.commands.options import ConfigOption, DataOption, JsonOption
from console.steering import overrides
from console.steering.action_log import WHERE, recent
from console.steering.actions import Steering
from console.views.enforcement import known_apps, read_enforcement
from console.views.output import columns, console, emit_json, plain, say, table, warn
from console.views.times import local_time, parse_span_ns
from qos.contract.documents.live import Live
from qos.contract.errors import ConfigError
from qos.contract.units import parse_rate_bps
from qos.system import clock

AppArgument = Annotated[str, typer.Argument(metavar="APP", help="The application's name as `autoqos top` shows it.")]
ForOption = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="How long, such as 2h; default: for good.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("set")(set_level)
    app.command("unset")(unset)
    for command in (limit, unlimit, pause, resume, undo, apps, why, shell):
        app.command()(command)


def set_level(
    app: AppArgument,
    level: Annotated[int, typer.Argument(min=0, max=5, help="0 (critical, never limited) to 5 (background).")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Give an application a priority by hand; it survives restarts."""
    with open_steering(config, data) as steering:
        say(*steering.priority(app, level))


def unset(app: AppArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Give an application's priority back to the rules (the original's DEFAULT)."""
    with open_steering(config, data) as steering:
        say(*steering.priority(app, None))


def limit(
    app: AppArgument,
    *,
    down: Annotated[str | None, typer.Option("--down", metavar="RATE", help="Such as 2mbit.")] = None,
    up: Annotated[str | None, typer.Option("--up", metavar="RATE", help="Such as 500kbit.")] = None,
    span: ForOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Limit an application's rates, whatever else is going on."""
    if down is None and up is None:
        raise ConfigError("limit: name a rate: --down 2mbit, --up 1mbit or both")
    rates = (_rate(down, "--down"), _rate(up, "--up"))
    until_ns = None if span is None else clock.wall_ns() + parse_span_ns(span, "--for")
    with open_steering(config, data) as steering:
        say(*steering.limit(app, *rates, until_ns))


def unlimit(app: AppArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Lift the limits set by hand; the priority stays."""
    with open_steering(config, data) as steering:
        say(*steering.limit(app, None, None, None))


def pause(span: ForOption = None, config: ConfigOption = None, data: DataOption = None) -> None:
    """Switch the whole enforcer off at once ("game mode"): no packet passes through AutoQoS."""
    until_ns = None if span is None else clock.wall_ns() + parse_span_ns(span, "--for")
    with open_steering(config, data) as steering:
        say(*steering.pause(until_ns))


def resume(config: ConfigOption = None, data: DataOption = None) -> None:
    """Switch the enforcer on again."""
    with open_steering(config, data) as steering:
        say(*steering.resume())


def undo(
    action: Annotated[int | None, typer.Argument(metavar="[ID]", help="Which; default: the newest.", min=0)] = None,
    show: Annotated[bool, typer.Option("--list", help="Show what was done by hand, and undo nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Undo what was done by hand, in the terminal, on the page or through the API."""
    if not show:
        with open_steering(config, data) as steering:
            said = steering.undo(action)
        if as_json:
            emit_json({"said": said})
            return
        say(*said)
        return
    with open_context(config, data).reading() as store:
        found = [entry for entry in recent(store) if action in (None, entry.id)]
    if as_json:
        emit_json({"actions": [entry.document() for entry in found]})
        return
    if not found:
        say("nothing was done by hand")
    for entry in found:
        state = "undone" if entry.undone else f"undo sets: {entry.inverse()}"
        say(f"{entry.id}  {local_time(entry.id * 1000)}  {plain(entry.said)}  (from {WHERE[entry.client]}; {state})")


def apps(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Every application with category, priority, where that came from, demand and limits."""
    from console.views.enforcement_table import WIDE, document, narrow, render

    context = open_context(config, data)
    with context.reading() as store:
        found = read_enforcement(store, context.config, clock.wall_ns())
    if as_json:
        emit_json(document(found))
        return
    if columns() >= WIDE:
        console().print(table(*render(found)))
    else:
        say(*narrow(found))
    note = found.note()
    if note:
        say(note)


def why(app: AppArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """The chain of reasons for an application's priority and limits, in plain words."""
    from console.views.enforcement_table import explain
    from console.views.policy_preview import decide, identify

    context = open_context(config, data)
    now_ns = clock.wall_ns()
    with context.reading() as store:
        name, near = overrides.match_name(app, known_apps(store))
        found = read_enforcement(store, context.config, now_ns)
        by_hand = overrides.read_override(store, name, now_ns)
        live = Live.parse(store.get_state(Live.KEY))
    decision = None
    if not found.running:
        who = identify(context.config, name, live if live is not None and live.fresh(now_ns) else None)
        decision = decide(context.config, who, by_hand, now_ns)
    say(*explain(found, context.config, name, by_hand, decision))
    if near:
        warn(f"did you mean {', '.join(near)}?")


def shell(config: ConfigOption = None, data: DataOption = None) -> None:
    """The original's prompt: an application's name, then a priority or DEFAULT; report, clear_log, exit."""
    from console.tui.shell import Shell

    with open_steering(config, data) as steering:
        Shell(steering, input_line=_prompt, write=say).run()


def _prompt(text: str) -> str | None:
    try:
        return input(text)
    except EOFError:
        return None


def open_steering(config: Path | None, data: Path | None) -> Steering:
    """The store that the running enforcer reads, opened to write what a person asks for.

    Without rights on root's store that is an error, not a quiet write into a store of one's own.
    """
    return Steering(open_context(config, data))


def _rate(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        rate = parse_rate_bps(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if rate <= 0:
        raise ConfigError(f"{option}: must be more than zero; to lift a limit: `autoqos unlimit APP`")
    return rate
