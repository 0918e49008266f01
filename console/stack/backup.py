"""``autoqos stack backup`` and ``restore``: InfluxDB's own backup, Grafana's database, and ``.env``.

By default the tools of the containers are used (``docker compose exec``); ``--local`` runs the ``influx`` program of
this computer against ``--url``, for servers without Docker, and leaves Grafana alone. The operator's token
goes through the environment, never through arguments.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from console.stack.env_file import ENV
from console.stack.folder import Stack, open_stack
from qos.contract.errors import ConfigError

_INFLUX: Final = "influxdb"
_GRAFANA: Final = "grafana.db"
_INSIDE: Final = "/tmp/autoqos-backup"  # noqa: S108 - inside the container, for the length of one command


def backup(stack: Stack, target: Path, *, local: bool) -> list[str]:
    """Write everything to a new folder. Returns what to tell. Raises ConfigError."""
    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target}: is not empty: name a new folder")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    if local:
        _influx(stack, "backup", str(target / _INFLUX))
    else:
        _compose(stack, "exec", "-T", "influxdb", "rm", "-rf", _INSIDE)
        _compose(stack, "exec", "-T", "-e", "INFLUX_TOKEN", "influxdb", "influx", "backup", _INSIDE)
        _compose(stack, "cp", f"influxdb:{_INSIDE}", str(target / _INFLUX))
        _compose(stack, "exec", "-T", "influxdb", "rm", "-rf", _INSIDE)
        _compose(stack, "stop", "grafana")  # its database is SQLite: a copy under way may be torn
        try:
            _compose(stack, "cp", "grafana:/var/lib/grafana/grafana.db", str(target / _GRAFANA))
        finally:
            _compose(stack, "start", "grafana")
    shutil.copyfile(stack.directory / ENV, target / ENV)
    (target / ENV).chmod(0o600)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return [f"{target}: InfluxDB{'' if local else ', Grafana'} and {ENV}, {size / 2**20:.1f} MiB. It holds secrets."]


def restore(stack: Stack, source: Path, *, local: bool) -> list[str]:
    """Put back what ``backup`` wrote: InfluxDB whole, Grafana, ``.env``. Raises ConfigError."""
    if not (source / _INFLUX).is_dir() or not (source / ENV).is_file():
        raise ConfigError(f"{source}: is no backup of `autoqos stack backup`: {_INFLUX}/ or {ENV} is missing")
    kept = open_stack(source, stack.url, stack.ca)
    if local:
        _restored(stack, kept, lambda token: _influx(token, "restore", "--full", str(source / _INFLUX)))
    else:
        _compose(stack, "exec", "-T", "influxdb", "rm", "-rf", _INSIDE)
        _compose(stack, "cp", str(source / _INFLUX), f"influxdb:{_INSIDE}")
        command = ("exec", "-T", "-e", "INFLUX_TOKEN", "influxdb", "influx", "restore", "--full", _INSIDE)
        _restored(stack, kept, lambda token: _compose(token, *command))
        _compose(stack, "exec", "-T", "influxdb", "rm", "-rf", _INSIDE)
        if (source / _GRAFANA).is_file():
            _compose(stack, "stop", "grafana")
            try:
                _compose(stack, "cp", str(source / _GRAFANA), "grafana:/var/lib/grafana/grafana.db")
            finally:
                _compose(stack, "start", "grafana")
    path = stack.directory / ENV
    said = []
    if path.read_bytes() != (source / ENV).read_bytes():
        aside = path.with_name(f"{ENV}.before-restore")
        shutil.copyfile(path, aside)
        aside.chmod(0o600)
        shutil.copyfile(source / ENV, path)
        path.chmod(0o600)
        said.append(f"{path}: put back too; the one before is {aside.name}. Run `docker compose up -d` for the others.")
    host = kept.values.get("INFLUX_TOKEN", "").partition(":")[0]
    return [f"{source}: restored; tokens and accounts ({host}, …) are those of the backup", *said]


def _restored(stack: Stack, kept: Stack, attempt: Callable[[Stack], None]) -> None:
    """Restore with the operator's token of the server, and once more with the backup's.

    2.9.1 restores the tokens first and then no longer knows the one that it was called with ("401" at the next step);
    the same command with the backup's token goes through.
    """
    try:
        attempt(stack)
    except ConfigError as error:
        if "401" not in str(error):
            raise
        attempt(replace(stack, values=kept.values))


def _token(stack: Stack) -> dict[str, str]:
    token = stack.values.get("INFLUX_ADMIN_TOKEN")
    if not token:
        raise ConfigError(f"{stack.directory / ENV}: INFLUX_ADMIN_TOKEN is not set: run this in the stack's folder")
    return {"INFLUX_TOKEN": token}


def _influx(stack: Stack, *arguments: str) -> None:
    program = shutil.which("influx")
    if program is None:
        raise ConfigError("--local needs the `influx` command line of InfluxDB 2.x: install it, or leave --local away")
    environment = {**os.environ, **_token(stack), "INFLUX_HOST": stack.url}
    _run([program, *arguments], stack.directory, environment)


def _compose(stack: Stack, *arguments: str) -> None:
    if shutil.which("docker") is None:
        raise ConfigError("docker is not here: run this where the containers run, or use --local with --url")
    _run(["docker", "compose", *arguments], stack.directory, {**os.environ, **_token(stack)})


def _run(command: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"{command[0]}: cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise ConfigError(f"`{' '.join(command[:4])} …` failed: {last}")
