"""The store that forecasts are made from and written to: the embedded file, or InfluxDB where the settings name one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import store_path
from qos.service.config_file import load_secrets
from qos.store import Store

StoreSource = Literal["auto", "local", "influxdb"]
STORE_SOURCES: Final[tuple[StoreSource, ...]] = ("auto", "local", "influxdb")


def parse_source(text: str) -> StoreSource:
    """One of the names. Raises ConfigError."""
    for name in STORE_SOURCES:
        if text == name:
            return name
    raise ConfigError(f"--from: {text!r} is none of {', '.join(STORE_SOURCES)}")


def uses_influx(config: Config, source: StoreSource) -> bool:
    """Whether InfluxDB is meant; ``auto`` means the place where forecasts are made (docs/decisions/0072)."""
    if source != "auto":
        return source == "influxdb"
    configured = config.influxdb is not None or bool(os.environ.get("INFLUX_URL"))
    return configured and config.forecast.where != "here"


@contextmanager
def open_store(
    config: Config, config_path: Path | None, data: Path, source: StoreSource, *, read_only: bool = False
) -> Iterator[Store]:
    """The store, closed afterwards. Raises ConfigError (no data yet, no access) and StoreUnavailable."""
    if uses_influx(config, source):
        from qos.shipping.settings import influx_settings
        from qos.store.influx import InfluxStore

        settings = influx_settings(config)
        if settings is None:
            raise ConfigError("--from influxdb: no influxdb in the settings: add url, org and bucket to config.yaml")
        secrets = load_secrets(config_path)
        token = secrets.influx_read_token if read_only else secrets.influx_forecaster_token
        with InfluxStore.open(settings, token) as remote:
            yield remote
        return
    from qos.store.sqlite.store import SqliteStore

    if not store_path(data).exists():
        raise ConfigError(f"no data in {data} yet: start `autoqos up`, or name the folder with --data")
    with SqliteStore(store_path(data), read_only=read_only) as local:
        yield local
