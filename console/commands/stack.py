"""``autoqos stack``: the InfluxDB and Grafana beside the agents, whether in containers or not."""

from pathlib import Path
from typing import Annotated

import typer

from console.views.output import emit_json, say, warn

_stack = typer.Typer(help="InfluxDB and Grafana beside the agents.", no_args_is_help=True, rich_markup_mode=None)
_Directory = Annotated[Path, typer.Option("--directory", metavar="DIR", help="Where docker-compose.yml and .env are.")]
_Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="InfluxDB's address; default: INFLUX_PORT here.")
]
_Ca = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="The CA's certificate, for a private one.")]
_Local = Annotated[bool, typer.Option("--local", help="Without Docker: with the `influx` program of this computer.")]


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


@_stack.command()
def status(
    directory: _Directory = Path(),
    url: _Url = None,
    ca: _Ca = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON for programs.")] = False,
) -> None:
    """Do the servers answer, does the token write, are the buckets there, how old is the newest point. 1: no."""
    from dataclasses import asdict

    from console.stack.folder import open_stack
    from console.stack.status import checks
    from qos.system import clock

    found = list(checks(open_stack(directory, url, ca), clock.wall_ns()))
    if json:
        emit_json([asdict(check) for check in found])
    else:
        say(*(check.line() for check in found))
    raise typer.Exit(0 if all(check.ok for check in found) else 1)


@_stack.command("add-host")
def add_host(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The computer's name.")],
    reached_at: Annotated[
        str, typer.Option("--reached-at", metavar="URL", help="How that computer reaches this InfluxDB.")
    ],
    directory: _Directory = Path(),
    url: _Url = None,
    ca: _Ca = None,
) -> None:
    """Make an account that may only write, and print the lines for that computer's .env."""
    from console.stack.folder import open_stack
    from console.stack.hosts import add_host as add

    for line in add(open_stack(directory, url, ca), name, reached_at=reached_at, ca=None):
        say(line)
    warn(f"Put these lines into .env beside config.yaml on {name}; the password is shown this once.")
    if reached_at.startswith("http://") and "127.0.0.1" not in reached_at:
        warn("http:// sends the password in the clear: docs/fleet.md has TLS in two commands")


@_stack.command("remove-host")
def remove_host(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The computer's name.")],
    directory: _Directory = Path(),
    url: _Url = None,
    ca: _Ca = None,
) -> None:
    """Revoke a computer's account; what it wrote stays."""
    from console.stack.folder import open_stack
    from console.stack.hosts import remove_host as remove

    say(*remove(open_stack(directory, url, ca), name))


@_stack.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    directory: _Directory = Path(),
    url: _Url = None,
    local: _Local = False,
) -> None:
    """Write InfluxDB, Grafana's database and .env to a folder."""
    from console.stack.backup import backup as write
    from console.stack.folder import open_stack

    say(*write(open_stack(directory, url), target, local=local))


@_stack.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="What `backup` wrote.")],
    directory: _Directory = Path(),
    url: _Url = None,
    local: _Local = False,
) -> None:
    """Put a backup back: InfluxDB is replaced whole, tokens included."""
    from console.stack.backup import restore as put_back
    from console.stack.folder import open_stack

    say(*put_back(open_stack(directory, url), source, local=local))
