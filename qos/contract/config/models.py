"""The settings as strict models: the truth for defaults, units and bounds; ``config.yaml`` documents them.

Unknown keys, wrong types and values without units are errors. Secrets are never here.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from qos.contract.config.quota import QuotaConfig
from qos.contract.schedule import Schedule, parse_schedule
from qos.contract.units import Duration, Rate, Size

LEVELS: Final = range(6)

Level = Annotated[int, Field(ge=0, le=5)]
Mode = Literal["observe", "dry_run", "enforce"]
CaptureName = Literal["auto", "kernel", "etw", "divert", "counters", "nettop", "sockdiag", "psutil"]
ModelName = Literal[
    "naive", "seasonal_naive", "window_quantiles", "ets", "ridge", "lightgbm", "lstm", "lstm_hybrid", "combination"
]

_S: Final = 10**9
_TAG: Final = re.compile(r"^[^\x00-\x1f]{1,128}\Z")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=False, defer_build=True)


class CollectorConfig(_Model):
    """What is measured, and how."""

    capture: CaptureName = "auto"
    allow_driver: bool = False
    """Whether ``auto`` may load the WinDivert driver on Windows to measure, where ETW cannot be had."""
    interfaces: tuple[str, ...] = ("*",)
    targets: tuple[str, ...] = ("8.8.8.8", "1.1.1.1", "150.171.27.11")
    probe_interval: Duration = 1 * _S
    probe_timeout: Duration = 1 * _S
    loss_window: Duration = 60 * _S
    resources_of: tuple[str, ...] = ()
    name_by_script: tuple[str, ...] = ()
    max_apps: Annotated[int, Field(ge=1, le=10_000)] = 500

    @field_validator("interfaces", "targets", "resources_of", "name_by_script", mode="before")
    @classmethod
    def _sequences(cls, value: object) -> object:
        return _as_tuple(value)

    @field_validator("targets")
    @classmethod
    def _unique_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for target in value:
            if not target or not _TAG.match(target) or " " in target:
                raise ValueError(f"{target!r} is not an address or a host name")
        if len(set(value)) != len(value):
            raise ValueError("a target is listed twice")
        return value

    @field_validator("probe_interval", "probe_timeout", "loss_window")
    @classmethod
    def _positive(cls, value: int) -> int:
        return _positive(value)


class Retention(_Model):
    """How long each resolution is kept in the embedded store, and how large the file may grow."""

    raw: Duration = 2 * 86400 * _S
    minute: Duration = 60 * 86400 * _S
    hour: Duration = 2 * 365 * 86400 * _S
    max_size: Size = 2 * 10**9

    @field_validator("raw", "minute", "hour", "max_size")
    @classmethod
    def _positive(cls, value: int) -> int:
        return _positive(value)


class Link(_Model):
    """The line's capacity, as bought or measured. None (``auto``): not set, it is learned (``enforcer.auto``)."""

    down: Rate | None = None
    up: Rate | None = None

    @model_validator(mode="before")
    @classmethod
    def _learned(cls, value: object) -> object:
        if value == "auto":
            return {}
        if isinstance(value, dict):
            return {key: None if rate == "auto" else rate for key, rate in value.items()}
        return value


class LevelConfig(_Model):
    """One priority level. Floors and ceilings apply to the whole level, per direction."""

    name: str
    weight: Annotated[int, Field(ge=1, le=1000)] = 10
    floor: Rate = 0
    down: Rate | None = None
    up: Rate | None = None


def _default_levels() -> dict[int, LevelConfig]:
    rows = {0: ("critical", 100), 1: ("gaming", 50), 2: ("high", 30), 3: ("normal", 20), 4: ("low", 10)}
    levels = {number: LevelConfig(name=name, weight=weight) for number, (name, weight) in rows.items()}
    return levels | {5: LevelConfig(name="background", weight=5)}


def _schedule(value: object) -> Schedule:
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be text such as weekdays 09:00-18:00, got {shown(value)}")
    return parse_schedule(value)


class AppRule(_Model):
    """What to do with applications that match. The first rule that matches decides each property it names."""

    match: str
    """Glob on the application's name; on its path when it contains a slash; ``service:NAME`` on a service."""
    category: str | None = None
    priority: Level | None = None
    floor: Rate | None = None
    down: Rate | None = None
    up: Rate | None = None
    schedule: Annotated[Schedule, BeforeValidator(_schedule)] | None = None
    """When the rule holds, local time: ``weekdays 09:00-18:00``, ``sat,sun``, ``daily 22:00-06:00``. None: always."""

    @field_validator("match")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("empty: write a glob such as chrome or *steam*")
        return value


class EnforcerConfig(_Model):
    """How the enforcer behaves when ``mode`` lets it."""

    max_packet_rate: Annotated[int, Field(ge=100)] | Literal["auto"] = "auto"
    """Packets a second above which it lets go; ``auto``: what this machine can do, as measured."""
    hold_off: Duration = 10 * _S
    datapath: Literal["auto", "kernel", "divert"] = "auto"
    """What holds packets: the kernel's own queues (Linux 6.6), or packets diverted through the enforcer; ``auto``: the
    kernel's where it can. Read when the enforcer starts."""
    auto: bool = True
    """Learn from latency what the line carries, and hold elastic applications below it (the control loop)."""
    game_mode: Literal["auto", "on", "off"] = "auto"
    """Limit nobody while a program runs that does not get along with the driver; ``auto``: on Windows."""
    foresee: bool = False
    """Hold background applications (level 5) lower shortly before and during a busy time that is forecast."""


class ForecastConfig(_Model):
    """What is predicted, how far and how often."""

    enabled: bool = True
    where: Literal["auto", "here", "server"] = "auto"
    """``here``: by this computer's ``autoqos up``; ``server``: beside InfluxDB. See ``qos.shipping.settings``."""
    every: Duration = 3600 * _S
    grid: Duration | Literal["auto"] = "auto"
    sequence: Annotated[int, Field(ge=4, le=512)] = 48
    horizon: Annotated[int, Field(ge=1, le=48)] = 12
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    models: tuple[ModelName, ...] = (
        "naive",
        "seasonal_naive",
        "window_quantiles",
        "ets",
        "ridge",
        "lightgbm",
        "lstm_hybrid",
        "combination",
    )
    min_history: Annotated[int, Field(ge=20)] = 120
    top_apps: Annotated[int, Field(ge=0, le=50)] = 5
    seed: int = 7

    @field_validator("models", mode="before")
    @classmethod
    def _sequences(cls, value: object) -> object:
        return _as_tuple(value)


class PageConfig(_Model):
    """The local web page and HTTP API. It listens on 127.0.0.1 only."""

    enabled: bool = False
    """Whether ``autoqos up`` runs it beside the others."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8737
    """When it is taken the next free one."""
    metrics: bool = False
    """``/metrics`` for Prometheus, with the token ``AUTOQOS_METRICS_TOKEN`` of ``.env``."""


class InfluxConfig(_Model):
    """Where points are shipped. The token is ``INFLUX_TOKEN`` in ``.env``, never here."""

    url: str
    org: str
    bucket: str = "autoqos"
    batch: Annotated[int, Field(ge=1, le=50_000)] = 5_000
    timeout: Duration = 10 * _S
    catch_up: Annotated[int, Field(ge=100)] = 50_000
    """At most so many rows a second while catching up after an outage."""
    ca: str | None = None
    """File of the certificate authority that signed the server's certificate; None: the system's."""
    coarse: bool = True
    """Whether windows of 5 minutes and of an hour go to ``BUCKET/5m`` and ``BUCKET/1h``."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s]+", value):
            raise ValueError(f"{value!r} is not an address such as http://127.0.0.1:8086")
        return value.rstrip("/")


class Config(_Model):
    """Everything in ``config.yaml``."""

    host: str = "auto"
    """The ``host`` tag of every point; ``load_config`` puts the machine's name in for ``auto``."""
    data_dir: str = "auto"
    data_group: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    """Linux: members of this group may read the data; ``none``: only its owner."""
    interval: Duration = 1 * _S
    collector: CollectorConfig = CollectorConfig()
    retention: Retention = Retention()
    mode: Mode = "observe"
    link: Link = Link()
    levels: dict[Level, LevelConfig] = Field(default_factory=_default_levels)
    default_level: Level = 3
    apps: tuple[AppRule, ...] = ()
    enforcer: EnforcerConfig = EnforcerConfig()
    forecast: ForecastConfig = ForecastConfig()
    quota: tuple[QuotaConfig, ...] = ()
    page: PageConfig = PageConfig()
    influxdb: InfluxConfig | None = None

    @field_validator("apps", "quota", mode="before")
    @classmethod
    def _sequences(cls, value: object) -> object:
        return _as_tuple(value)

    @field_validator("quota")
    @classmethod
    def _one_each(cls, value: tuple[QuotaConfig, ...]) -> tuple[QuotaConfig, ...]:
        names = [one.app or "the whole computer" for one in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]} is listed twice: keep one")
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _TAG.match(value):
            raise ValueError("must be 1 to 128 characters without control characters, or auto")
        return value

    @field_validator("data_dir")
    @classmethod
    def _data_dir(cls, value: str) -> str:
        if not value.strip() or "\x00" in value:
            raise ValueError("must be a folder, or auto")
        return value

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: int) -> int:
        if not _S // 10 <= value <= 60 * _S:
            raise ValueError("must be between 100ms and 60s")
        return value

    @field_validator("levels")
    @classmethod
    def _all_levels(cls, value: dict[int, LevelConfig]) -> dict[int, LevelConfig]:
        return _default_levels() | value

    @model_validator(mode="after")
    def _floors_fit(self) -> "Config":
        for direction in ("down", "up"):
            capacity = getattr(self.link, direction)
            floors = sum(level.floor for level in self.levels.values())
            if capacity is not None and floors > capacity:
                raise ValueError(
                    f"levels: floors add up to {floors} bit/s, more than link.{direction} ({capacity} bit/s)"
                )
        return self


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


def shown(value: object) -> str:
    """What stands in the file, as far as it helps."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value) if isinstance(value, str | int | float) else str(value)
