"""``autoqos stack``: the InfluxDB and Grafana containers beside the agent."""

from pathlib import Path
from typing import Annotated

import typer

from console.views.output import say

_stack = typer.Typer(help="InfluxDB and Grafana in containers.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(_stack, name="stack")


@_stack.callback()
def _group() -> None:
    """Keep ``init`` a command of the group, though it is the only one."""


@_stack.command()
def init(
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where docker-compose.yml is.")
    ] = Path(),
) -> None:
    """Write .env with strong random secrets for `docker compose up -d`; an existing value is never changed."""
    from console.stack.env_file import init as write_secrets

    say(*write_secrets(directory))
