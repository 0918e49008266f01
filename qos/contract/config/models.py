"""``config.yaml``: strict models, every problem at once, each with its key's path. Secrets come from ``.env``.

The models are the truth for defaults; ``config.yaml`` documents them and a test holds the two together. Unknown keys,
duplicate keys, wrong types and values without units are errors. Nothing here reads a clock or touches the network.
"""

import os
import re
import socket
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from qos.contract.errors import ConfigError
from qos.contract.schedule import Schedule, parse_schedule
from qos.contract.units import Duration, Rate, Size

DEFAULT_NAME: Final = "config.yaml"
LEVELS: Final = range(6)

Level = Annotated[int, Field(ge=0, le=5)]
Mode = Literal["observe", "dry_run", "enforce"]
CaptureName = Literal["auto", "kernel", "divert", "sockdiag", "psutil"]
ModelName = Literal["naive", "seasonal_naive", "ets", "ridge", "lstm", "lstm_hybrid"]

_S: Final = 10**9
_TAG: Final = re.compile(r"^[^\x00-\x1f]{1,128}\Z")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=False)


class CollectorConfig(_Model):
    """What is measured, and how."""

    capture: CaptureName = "auto"
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
    """The line's capacity, as bought or measured. None: not set, levels are not enforced against it."""

    down: Rate | None = None
    up: Rate | None = None


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
        raise ValueError(f"must be text such as weekdays 09:00-18:00, got {_shown(value)}")
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

    max_packet_rate: Annotated[int, Field(ge=100)] = 20_000
    hold_off: Duration = 10 * _S
    auto: bool = False
    """Let latency steer the budget of the lowest levels (the control loop)."""


class ForecastConfig(_Model):
    """What is predicted, how far and how often."""

    enabled: bool = True
    every: Duration = 3600 * _S
    grid: Duration | Literal["auto"] = "auto"
    sequence: Annotated[int, Field(ge=4, le=512)] = 48
    horizon: Annotated[int, Field(ge=1, le=48)] = 12
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    models: tuple[ModelName, ...] = ("naive", "seasonal_naive", "ets", "ridge", "lstm", "lstm_hybrid")
    min_history: Annotated[int, Field(ge=20)] = 120
    top_apps: Annotated[int, Field(ge=0, le=50)] = 5
    seed: int = 7

    @field_validator("models", mode="before")
    @classmethod
    def _sequences(cls, value: object) -> object:
        return _as_tuple(value)


class InfluxConfig(_Model):
    """Where points are shipped. The token is ``INFLUX_TOKEN`` in ``.env``, never here."""

    url: str
    org: str
    bucket: str = "autoqos"
    batch: Annotated[int, Field(ge=1, le=50_000)] = 5_000
    timeout: Duration = 10 * _S
    catch_up: Annotated[int, Field(ge=100)] = 50_000
    """At most so many rows a second while catching up after an outage."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s]+", value):
            raise ValueError(f"{value!r} is not an address such as http://127.0.0.1:8086")
        return value.rstrip("/")


class Config(_Model):
    """Everything in ``config.yaml``."""

    host: str = "auto"
    data_dir: str = "auto"
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
    influxdb: InfluxConfig | None = None

    @field_validator("apps", mode="before")
    @classmethod
    def _sequences(cls, value: object) -> object:
        return _as_tuple(value)

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

    @property
    def host_tag(self) -> str:
        """The ``host`` tag of every point."""
        return socket.gethostname() if self.host == "auto" else self.host


@dataclass(frozen=True, slots=True)
class Secrets:
    """What ``.env`` or the environment holds. Never printed: ``SecretStr`` hides its value in ``repr``."""

    influx_token: SecretStr | None = None
    influx_read_token: SecretStr | None = None
    """For reading; ``influx_token`` when ``INFLUX_READ_TOKEN`` is not set (the stack's agent may only write)."""


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that notes duplicate keys as it goes: (line, key)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.duplicates: list[tuple[int, str]] = []


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(problem="a key must be text", problem_mark=key_node.start_mark)
        if key in result:
            loader.duplicates.append((key_node.start_mark.line + 1, str(key)))
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_config(text: str, name: str = DEFAULT_NAME) -> Config:
    """A validated ``Config`` from YAML text. Raises ConfigError with one line per problem: ``name: path: what``."""
    try:
        loader = _StrictLoader(text)
        raw = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"{name}: {where}not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        # A date that is none, an integer of too many digits, brackets without end.
        raise ConfigError(f"{name}: not valid YAML: {str(error).partition(chr(10))[0]}") from None
    lines = [f"{name}: line {line}: key {key!r} is written twice: keep one" for line, key in loader.duplicates]
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{name}: must be a mapping of keys, got {_shown(raw)}")
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(*lines, *_lines(name, error)) from None
    if lines:
        raise ConfigError(*lines)
    return config


def _lines(name: str, error: ValidationError) -> list[str]:
    """One line per key; where a value could have been either of two kinds, both are said."""
    by_path: dict[str, list[str]] = {}
    for problem in error.errors():
        path, message = _described(dict(problem))
        said = by_path.setdefault(path, [])
        if message not in said:
            said.append(message)
    return sorted(f"{name}: {path + ': ' if path else ''}{'; or '.join(said)}" for path, said in by_path.items())


def _described(problem: Mapping[str, Any]) -> tuple[str, str]:
    path = ""
    for part in problem["loc"]:
        if part in ("[key]", "int", "str", "function-before") or (isinstance(part, str) and "[" in part):
            continue
        if isinstance(part, str) and part.startswith(("literal", "function")):
            continue
        path += f"[{part}]" if isinstance(part, int) and path != "levels" else f"{'.' if path else ''}{part}"
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return path, message
    if kind == "extra_forbidden":
        return path, "no such key: remove it or check its spelling"
    if kind == "missing":
        return path, "missing: this key has no default"
    for sort, words in (("tuple", "a list"), ("model", "a mapping of keys"), ("dict", "a mapping of keys")):
        if kind.startswith(sort):
            message = f"must be {words}"
    message = message.replace("Input should be", "must be").replace("a valid integer", "a whole number")
    message = message.replace("a valid boolean", "true or false")
    return path, f"{message.replace('a valid string', 'text')}, got {_shown(problem['input'])}"


def _shown(value: object) -> str:
    """What stands in the file, as far as it helps."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value) if isinstance(value, str | int | float) else str(value)


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
        return Config()
    try:
        return parse_config(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text: save it as UTF-8") from None


def load_secrets(beside: Path | None = None) -> Secrets:
    """Secrets from the environment, else from ``.env`` beside ``config.yaml`` (or in the current folder)."""
    file = (beside.parent if beside else Path()) / ".env"
    values: dict[str, str | None] = {**(dotenv_values(file) if file.is_file() else {}), **os.environ}
    token = values.get("INFLUX_TOKEN")
    reading = values.get("INFLUX_READ_TOKEN") or token
    return Secrets(
        influx_token=SecretStr(token) if token else None,
        influx_read_token=SecretStr(reading) if reading else None,
    )
