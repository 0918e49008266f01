"""``autoqos page``: the local web page."""

from typing import Annotated

import typer

from console.commands.context import open_context
from console.commands.options import ConfigOption, DataOption


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(page)


def page(
    *,
    port: Annotated[
        int | None, typer.Option("--port", min=1024, max=65535, help="Default: page.port of the settings.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")] = True,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Show everything in a browser, and steer there. Prints and opens a one-time address of this computer only."""
    from console.page.access.opening import open_page
    from qos.service import set_up_logging

    set_up_logging("page")
    raise typer.Exit(open_page(open_context(config, data), port, browser=browser))
