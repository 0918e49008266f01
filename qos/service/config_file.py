"""``config.yaml`` and ``.env`` on disk: found, read, and the machine's name put in where the settings say ``auto``."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from qos.contract.config import DEFAULT_NAME, Config, parse_config
from qos.contract.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Secrets:
    """What ``.env`` or the environment holds. Never printed: ``SecretStr`` hides its value in ``repr``."""

    influx_token: SecretStr | None = None
    influx_read_token: SecretStr | None = None
    """For reading; ``influx_token`` when ``INFLUX_READ_TOKEN`` is not set (the stack's agent may only write)."""
    metrics_token: SecretStr | None = None
    """``AUTOQOS_METRICS_TOKEN``: what ``/metrics`` of the page asks for."""


def find_config(explicit: Path | None = None) -> Path | None:
    """The file named (ConfigError when absent), else ``config.yaml`` here, else None: all defaults."""
    if explicit is not None:
        if not explicit.is_file():
            raise ConfigError(f"{explicit}: no such file: check --config")
        return explicit
    here = Path(DEFAULT_NAME)
    return here if here.is_file() else None


def load_config(path: Path | None) -> Config:
    """The file's settings, or all defaults when ``path`` is None. Raises ConfigError."""
    if path is None:
        return _named(Config())
    try:
        return _named(parse_config(path.read_text(encoding="utf-8-sig"), str(path)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text: save it as UTF-8") from None


def _named(config: Config) -> Config:
    return config.model_copy(update={"host": socket.gethostname()}) if config.host == "auto" else config


def load_secrets(beside: Path | None = None) -> Secrets:
    """Secrets from the environment, else from ``.env`` beside ``config.yaml`` (or in the current folder)."""
    file = (beside.parent if beside else Path()) / ".env"
    values: dict[str, str | None] = {**(dotenv_values(file) if file.is_file() else {}), **os.environ}
    token = values.get("INFLUX_TOKEN")
    reading = values.get("INFLUX_READ_TOKEN") or token
    metrics = values.get("AUTOQOS_METRICS_TOKEN")
    return Secrets(
        influx_token=SecretStr(token) if token else None,
        influx_read_token=SecretStr(reading) if reading else None,
        metrics_token=SecretStr(metrics) if metrics else None,
    )
