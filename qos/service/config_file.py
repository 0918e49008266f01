"""``config.yaml`` and ``.env`` on disk: found, read, and the machine's name put in where the settings say ``auto``."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from qos.contract.config import DEFAULT_NAME, Config, parse_config
from qos.contract.errors import ConfigError
from qos.shipping.settings import influx_settings


@dataclass(frozen=True, slots=True)
class Secrets:
    """What ``.env`` or the environment holds. Never printed: ``SecretStr`` hides its value in ``repr``."""

    influx_token: SecretStr | None = None
    influx_read_token: SecretStr | None = None
    """For reading; ``influx_token`` when ``INFLUX_READ_TOKEN`` is not set (the stack's agent may only write)."""
    metrics_token: SecretStr | None = None
    """``AUTOQOS_METRICS_TOKEN``: what ``/metrics`` of the page asks for."""
    influx_forecaster_token: SecretStr | None = None
    """For reading and writing; ``influx_token`` when ``FORECASTER_INFLUX_TOKEN`` is not set (its own container)."""


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
        return _named(_served(Config(), path))
    try:
        return _named(_served(parse_config(path.read_text(encoding="utf-8-sig"), str(path)), path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text: save it as UTF-8") from None


def _served(config: Config, path: Path | None) -> Config:
    """With the InfluxDB that ``.env`` names: ``autoqos stack add-host`` prints such lines."""
    values = _env_file(path)
    return config.model_copy(update={"influxdb": influx_settings(config, values)}) if values else config


def _env_file(beside: Path | None) -> dict[str, str | None]:
    file = (beside.parent if beside else Path()) / ".env"
    return dict(dotenv_values(file)) if file.is_file() else {}


def _named(config: Config) -> Config:
    return config.model_copy(update={"host": socket.gethostname()}) if config.host == "auto" else config


def load_secrets(beside: Path | None = None) -> Secrets:
    """Secrets from the environment, else from ``.env`` beside ``config.yaml`` (or in the current folder)."""
    values: dict[str, str | None] = {**_env_file(beside), **os.environ}
    token = values.get("INFLUX_TOKEN")
    reading = values.get("INFLUX_READ_TOKEN") or token
    metrics = values.get("AUTOQOS_METRICS_TOKEN")
    forecaster = values.get("FORECASTER_INFLUX_TOKEN") or token
    return Secrets(
        influx_token=SecretStr(token) if token else None,
        influx_read_token=SecretStr(reading) if reading else None,
        metrics_token=SecretStr(metrics) if metrics else None,
        influx_forecaster_token=SecretStr(forecaster) if forecaster else None,
    )
