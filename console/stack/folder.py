"""The folder of a stack: ``docker-compose.yml`` with its ``.env``, and what they say about the servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from console.stack.env_file import ENV
from console.stack.server import InfluxAdmin
from qos.contract.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack as its ``.env`` tells it. ``url`` is InfluxDB's address from here."""

    directory: Path
    values: Mapping[str, str]
    url: str
    ca: Path | None = None

    @property
    def grafana(self) -> str:
        """Grafana's address from here."""
        return f"http://127.0.0.1:{self.values.get('GRAFANA_PORT') or 3000}"

    def admin(self) -> InfluxAdmin:
        """InfluxDB with the operator's token. Raises ConfigError when ``.env`` has none."""
        token = self.values.get("INFLUX_ADMIN_TOKEN")
        if not token:
            raise ConfigError(f"{self.directory / ENV}: INFLUX_ADMIN_TOKEN is not set: run this in the stack's folder")
        return InfluxAdmin(self.url, token, ca=self.ca)


def open_stack(directory: Path, url: str | None = None, ca: Path | None = None) -> Stack:
    """The stack whose ``.env`` stands in ``directory``. Raises ConfigError."""
    path = directory / ENV
    if not path.is_file():
        raise ConfigError(f"{path}: not there: run `autoqos stack init` first, or name the folder with --directory")
    values = {name: value or "" for name, value in dotenv_values(path).items()}
    return Stack(directory, values, url or f"http://127.0.0.1:{values.get('INFLUX_PORT') or 8086}", ca)
