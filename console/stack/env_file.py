"""``autoqos stack init``: everything that docker-compose.yml needs from ``.env``, with fresh secrets.

An existing value is never changed; keys that a newer version needs are added at the end. One value may be used twice
(the reader's password is Grafana's and ``autoqos query --from influxdb``'s), so values are made once per ``.env``.
``.env.example`` is this module's table without the secrets (``python -m console.stack.env_file``); a test holds the
two together.
"""

import os
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from qos.contract.errors import ConfigError

ENV: Final = ".env"
_LENGTH: Final = 32


def secret() -> str:
    """A password of 32 letters and digits (190 bits), a letter first: it never looks like an option or needs quotes.

    ``influx v1 auth create --password -x…`` and the image's own set-up refuse a value that begins with ``-``.
    """
    rest = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_LENGTH - 1))
    return secrets.choice(string.ascii_letters) + rest


def _secret(_: Mapping[str, str]) -> str:
    return secret()


def _account(name: str) -> Callable[[Mapping[str, str]], str]:
    return lambda _: f"{name}:{secret()}"


def _reader(known: Mapping[str, str]) -> str:
    return f"{known['GRAFANA_INFLUX_USER']}:{known['GRAFANA_INFLUX_PASSWORD']}"


@dataclass(frozen=True, slots=True)
class Key:
    """One line of ``.env``: either a fixed ``default`` or a value that is made."""

    name: str
    comment: str
    default: str = ""
    make: Callable[[Mapping[str, str]], str] | None = None


KEYS: Final = (
    Key("INFLUX_TOKEN", "The agent's access, an account name:password: writes the bucket.", make=_account("agent")),
    Key("GRAFANA_INFLUX_USER", "Grafana's account in InfluxDB: reads.", "grafana"),
    Key("GRAFANA_INFLUX_PASSWORD", "", make=_secret),
    Key("INFLUX_READ_TOKEN", "The same account, for `autoqos query --from influxdb` on this machine.", make=_reader),
    Key("FORECASTER_INFLUX_TOKEN", "The forecaster's: reads, and writes forecasts.", make=_account("forecaster")),
    Key("INFLUX_ADMIN_PASSWORD", "For http://localhost:8086, user admin.", make=_secret),
    Key("INFLUX_ADMIN_TOKEN", "The operator's token: only the one-shot that sets InfluxDB up uses it.", make=_secret),
    Key("GRAFANA_ADMIN_PASSWORD", "For http://localhost:3000, user admin.", make=_secret),
    Key("INFLUX_PORT", "Ports on this machine, on loopback only.", "8086"),
    Key("GRAFANA_PORT", "", "3000"),
    Key("GRAFANA_URL", "The address in notifications' links; change it with the port.", "http://localhost:3000/"),
    Key("ALERT_RECEIVER", "Where alerts go: webhook, email, discord or slack, with its address below.", "webhook"),
    Key("ALERT_WEBHOOK_URL", "The default goes nowhere: alerts are then seen in Grafana only.", "http://127.0.0.1:9/"),
    Key("ALERT_EMAIL", "", "nobody@localhost.localdomain"),
    Key("ALERT_DISCORD_URL", "", "http://127.0.0.1:9/"),
    Key("ALERT_SLACK_URL", "", "http://127.0.0.1:9/"),
    Key("SMTP_ENABLED", "For ALERT_RECEIVER=email.", "false"),
    Key("SMTP_HOST", "", "localhost:25"),
    Key("SMTP_USER", "", ""),
    Key("SMTP_PASSWORD", "", ""),
    Key("SMTP_FROM", "Grafana does not start on an address whose domain has no dot.", "autoqos@localhost.localdomain"),
)  # fmt: skip


def init(directory: Path) -> list[str]:
    """Write or complete ``.env`` in ``directory``; returns what to tell the user. Raises ConfigError."""
    path = directory / ENV
    try:
        old = path.read_text(encoding="utf-8-sig") if path.exists() else ""
        known = {name: value or "" for name, value in dotenv_values(path).items()} if path.exists() else {}
        added = _missing(known)
        if added:
            gap = "" if not old or old.endswith("\n") else "\n"
            _write(path, old + gap + "".join(_lines(added, comments=True)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}: check --directory and its rights") from None
    if not old:
        lines = [f"{path}: written, with fresh secrets. Keep it to yourself."]
    elif added:
        lines = [f"{path}: kept, added {', '.join(added)}."]
    else:
        lines = [f"{path}: complete, nothing changed."]
    lines += [
        f"{path}: {key.name} begins with a hyphen, which `influx` takes for an option: change it before the first start"
        for key in KEYS
        if key.make and known.get(key.name, "").rpartition(":")[2].startswith("-")
    ]
    if not (directory / "docker-compose.yml").exists():
        return [*lines, f"{directory / 'docker-compose.yml'}: not here: run this in the project's folder."]
    return [
        *lines,
        "Next: docker compose up -d, set influxdb: in config.yaml (its example fits), then autoqos up.",
        "Grafana: http://localhost:3000, user admin, password GRAFANA_ADMIN_PASSWORD in .env.",
    ]


def _missing(known: Mapping[str, str]) -> dict[str, str]:
    values = dict(known)
    added = {}
    for key in KEYS:
        if key.name not in values:
            values[key.name] = added[key.name] = key.make(values) if key.make else key.default
    return added


def _lines(values: Mapping[str, str], *, comments: bool) -> Iterator[str]:
    for key in KEYS:
        if key.name in values:
            if key.comment and comments:
                yield f"# {key.comment}\n"
            yield f"{key.name}={values[key.name]}\n"


def _write(path: Path, text: str) -> None:
    """Replace the file whole, readable by its owner only."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    beside.replace(path)


def example() -> str:
    """The text of ``.env.example``."""
    head = (
        "# `autoqos stack init` writes .env with these keys and fresh secrets. Docker compose and the agent read it.\n"
    )
    return head + "".join(_lines({key.name: key.default for key in KEYS}, comments=True))


if __name__ == "__main__":
    (Path(__file__).parents[2] / ".env.example").write_text(example(), encoding="utf-8", newline="\n")
