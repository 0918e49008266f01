"""Where ``autoqos query`` reads from: the embedded store or InfluxDB, behind the same ``Reader``."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.commands.context import Context
from qos.contract.errors import ConfigError
from qos.service.config_file import load_secrets
from qos.store import Reader


@contextmanager
def open_source(context: Context, source: str) -> Iterator[Reader]:
    """``local`` or ``influxdb``, closed afterwards. Raises ConfigError and StoreUnavailable."""
    if source == "local":
        with context.reading() as store:
            yield store
        return
    from qos.shipping.settings import influx_settings
    from qos.store.influx import InfluxStore

    settings = influx_settings(context.config)
    if settings is None:
        raise ConfigError("--from influxdb: no influxdb in the settings: add url, org and bucket to config.yaml")
    reader = InfluxStore.open(settings, load_secrets(context.config_path).influx_read_token)
    try:
        yield reader
    finally:
        reader.close()
