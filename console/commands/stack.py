"""``autoqos stack``: the InfluxDB and Grafana containers beside the agent."""

from pathlib import Path
from typing import Annotated

import typer

from console.views.output import say

_stack = typer.Typer(help="InfluxDB and Grafana in containers.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(_stack, name="stack")


@_stack.command()
def init(
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where docker-compose.yml is.")
    ] = Path(),
) -> None:
    """Write .env with strong random secrets for `docker compose up -d`; an existing value is never changed.

    Elsewhere than in the project's folder also the compose file, provisioning, dashboards and scripts; your edits stay.
    """
    from console.stack.env_file import init as write_secrets
    from console.stack.files import write_stack

    say(*write_stack(directory), *write_secrets(directory))


@_stack.command("export-dashboards")
def export_dashboards(directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")]) -> None:
    """Write the dashboards for a Grafana of your own."""
    from console.stack.files import export_dashboards as export

    say(*export(directory))


@_stack.command("test-alert")
def try_alert(
    directory: Annotated[Path, typer.Option("--directory", metavar="DIR", help="Where .env is.")] = Path(),
) -> None:
    """Send a test message through the contact point that ALERT_RECEIVER in .env names."""
    from console.stack.try_alert import send_test_alert

    say(*send_test_alert(directory))
