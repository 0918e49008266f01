"""Commands that install: ``init`` writes the settings, ``service`` makes AutoQoS start with the computer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.commands.options import ConfigOption

if TYPE_CHECKING:
    from console.service.system import Service


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    group = typer.Typer(
        help="Install AutoQoS as a service of this system, and look after it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (install, remove, status, logs, upgrade):
        group.command()(command)
    app.add_typer(group, name="service")


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented config.yaml to edit: every key with its default."""
    from console.service.settings import write_settings
    from console.views.output import say
    from qos.contract.errors import ConfigError

    if path.exists() and not force:
        raise ConfigError(f"{path}: there is one already: edit it, or replace it with --force")
    write_settings(path, force=True)
    say(f"wrote {path}; edit it, then start `autoqos up` in that folder (or `autoqos service install --config {path}`)")


def install(config: ConfigOption = None) -> None:
    """Copy the program where only administrators write, write settings, start now and with the computer."""
    _said(lambda service: service.install(config))


def remove() -> None:
    """Stop it and take it away; settings and data stay."""
    _said(lambda service: service.remove())


def upgrade() -> None:
    """Stop it, install this version in its place, bring the store up to date, start it."""
    _said(lambda service: service.upgrade())


def status() -> None:
    """Does it run? The system's own words."""
    from console.service.system import service
    from console.views.output import say

    code, text = service().status()
    say(*text.splitlines())
    raise typer.Exit(code)


def logs(lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 100) -> None:
    """The last lines that it wrote."""
    from console.service.system import service
    from console.views.output import say

    say(*service().logs(lines).splitlines())


def _said(work: "Callable[[Service], list[str]]") -> None:
    from console.service.system import service
    from console.views.output import say

    say(*work(service()))
