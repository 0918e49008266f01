"""Where ``autoqos query`` reads from: the embedded store or InfluxDB, behind the same ``Reader``."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.context import Context
from qos.config import load_secrets
from qos.errors import ConfigError
from qos.store import Reader


@contextmanager
def open_source(context: Context, source: str) -> Iterator[Reader]:
    """``local`` or ``influxdb``, closed afterwards. Raises ConfigError and StoreUnavailable."""
    if source == "local":
        with context.reading() as store:
            yield store
        return
    if context.config.influxdb is None:
        raise ConfigError("--from influxdb: no influxdb in the settings: add url, org and bucket to config.yaml")
    from qos.store.influx import InfluxStore

    reader = InfluxStore(context.config.influxdb, load_secrets(context.config_path))
    try:
        yield reader
    finally:
        reader.close()
