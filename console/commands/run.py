"""Commands that run: ``up`` and each part alone."""

from typing import Annotated

import typer

from console.commands.options import ConfigOption, DataOption


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(collector)
    app.command()(enforcer)
    app.command()(shipper)


def up(
    config: ConfigOption = None,
    data: DataOption = None,
    page: Annotated[bool, typer.Option("--page", help="Run the local web page and HTTP API too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No status line, only what goes wrong.")] = False,
) -> None:
    """Run everything: measure, keep, forecast, enforce what the settings say. Ctrl-C stops it."""
    from console.supervisor.supervisor import run_up

    raise typer.Exit(run_up(config, data, quiet=quiet, page=page))


def collector(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run the collector alone."""
    _run("collector", config, data)


def enforcer(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run the enforcer alone."""
    _run("enforcer", config, data)


def shipper(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run the shipper to InfluxDB alone."""
    _run("shipper", config, data)


def _run(part: str, config: ConfigOption, data: DataOption) -> None:
    from console.supervisor.part import run_part

    raise typer.Exit(run_part(part, config, data))
