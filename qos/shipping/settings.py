"""Which InfluxDB is meant, and where the forecaster runs: the same answers for every part, document and command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from qos.contract.config import Config, InfluxConfig
from qos.contract.errors import ConfigError

NO_TOKEN: Final = "INFLUX_TOKEN is not set: run `autoqos stack init`, or put the server's token into .env"  # noqa: S105 - words


def influx_settings(config: Config, environment: Mapping[str, str | None] = os.environ) -> InfluxConfig | None:
    """The ``influxdb:`` section; INFLUX_URL, _ORG, _BUCKET and _CA of the environment (containers) come first."""
    given = {key: environment.get(f"INFLUX_{key.upper()}") for key in ("url", "org", "bucket", "ca")}
    over = {key: value for key, value in given.items() if value}
    if config.influxdb is None and "url" not in over:
        return None
    base = {"org": "autoqos"} if config.influxdb is None else config.influxdb.model_dump(include=set(given))
    try:
        checked = InfluxConfig.model_validate(base | over)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "url"
        raise ConfigError(f"INFLUX_{name.upper()} in the environment: {problem['msg']}") from None
    if config.influxdb is None:
        return checked
    return config.influxdb.model_copy(update={key: getattr(checked, key) for key in over})


@dataclass(frozen=True, slots=True)
class ForecasterPlace:
    """Where forecasts are made (docs/decisions/0072).

    ``here``: by this computer's ``autoqos up``, from its own store. ``server``: beside InfluxDB, for all computers
    that ship to it. ``off``: nowhere.
    """

    where: Literal["here", "server", "off"]
    sentence: str


def forecaster_place(config: Config) -> ForecasterPlace:
    """The one rule: without InfluxDB here, with it beside the server; ``forecast.where`` says otherwise."""
    if not config.forecast.enabled:
        return ForecasterPlace("off", "forecasts: off (forecast.enabled)")
    wanted = config.forecast.where
    if wanted == "here" or (wanted == "auto" and config.influxdb is None and not os.environ.get("INFLUX_URL")):
        return ForecasterPlace("here", "forecasts: made here, from this computer's own store")
    return ForecasterPlace(
        "server",
        "forecasts: made beside InfluxDB (docker compose runs them; `forecast.where: here` makes them here)",
    )
