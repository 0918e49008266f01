"""``autoqos enforce``: switch the enforcer on and off. ``autoqos link``: what the line was learned to carry."""

from enum import StrEnum
from typing import Annotated

import typer

from console.commands.context import open_context
from console.commands.options import ConfigOption, DataOption, JsonOption
from console.steering.mode import MODES, set_mode
from console.views.learned_line import told
from console.views.output import emit_json, say
from qos.contract.documents.limits import Limits
from qos.contract.documents.link_estimates import LinkEstimates
from qos.system import clock


class Switch(StrEnum):
    """What ``autoqos enforce`` takes."""

    ON = "on"
    DRY_RUN = "dry-run"
    OFF = "off"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(enforce)
    app.command()(link)


def enforce(
    switch: Annotated[Switch, typer.Argument(help="on: hold packets; dry-run: decide and report only; off: observe.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Switch the enforcer on, off, or to a dry run; config.yaml keeps its comments."""
    say(*set_mode(open_context(config, data), MODES[switch.value]))


def link(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """What your line carries, as learned, how sure that is, and what is done about it now."""
    context = open_context(config, data)
    with context.reading() as store:
        known = LinkEstimates.parse(store.get_state(LinkEstimates.KEY))
        limits = Limits.parse(store.get_state(Limits.KEY))
    now = limits.engine.auto if limits is not None else None
    now_ns = clock.wall_ns()
    if as_json:
        emit_json({"estimates": known.dump(), "now": now.dump() if now is not None else {}})
        return
    say(*told(known, now, context.config.link.down, context.config.link.up, now_ns))
