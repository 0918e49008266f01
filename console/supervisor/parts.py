"""The parts that run as processes of their own: where each one's entry point is, and which ones a configuration wants.

An entry point is ``run(config, config_path, data, stop) -> int`` and blocks until ``stop`` is set.
"""

import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.shipping.settings import forecaster_place

Run = Callable[[Config, Path | None, Path, threading.Event], int]

MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "collector": "collector.run",
        "enforcer": "enforcer.run",
        "page": "console.page.run",
        "forecaster": "forecaster.serving.schedule",
        "shipper": "qos.shipping.run",
    }
)


def installed(part: str) -> bool:
    """Whether the part's module is there at all (a slim installation may leave the forecaster out)."""
    try:
        return importlib.util.find_spec(MODULES[part]) is not None
    except ModuleNotFoundError:
        return False


def entry(part: str) -> Run:
    """The part's entry point. Raises ConfigError when it is not installed."""
    if not installed(part):
        raise ConfigError(f"{part}: not part of this installation ({MODULES[part]} is missing)")
    run: Run = importlib.import_module(MODULES[part]).run
    return run


def wanted(config: Config, *, page: bool = False) -> tuple[str, ...]:
    """The parts that ``autoqos up`` runs under these settings, and with ``page`` (``--page``) that one too.

    With InfluxDB the shipper runs, and the forecaster where ``forecaster_place`` says.
    """
    chosen = ["collector", "enforcer"]
    if config.influxdb is not None or os.environ.get("INFLUX_URL"):
        chosen.append("shipper")
    if forecaster_place(config).where == "here":
        chosen.append("forecaster")
    if page or config.page.enabled:
        chosen.append("page")
    return tuple(part for part in chosen if installed(part))
