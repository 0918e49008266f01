"""The shipped config.yaml is the documentation: it must say exactly what the code does without it."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from qos.contract.config import AppRule, Config, InfluxConfig, parse_config
from qos.service.config_file import load_config

SHIPPED = Path(__file__).parents[3] / "config.yaml"


def test_shipped_file_states_the_defaults() -> None:
    assert parse_config(SHIPPED.read_text(encoding="utf-8")) == Config()


def test_no_file_is_the_same_as_the_shipped_file() -> None:
    assert load_config(None) == load_config(SHIPPED)


def _documented(model: type[BaseModel], written: dict[str, object], path: str) -> list[str]:
    missing = [f"{path}{name}" for name in model.model_fields if name not in written]
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel) and isinstance(written.get(name), dict):
            missing += _documented(nested, written[name], f"{path}{name}.")  # type: ignore[arg-type] # just checked
    return missing


def test_every_key_is_documented() -> None:
    written = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert _documented(Config, written, "") == []


@pytest.mark.parametrize("model", [AppRule, InfluxConfig])
def test_every_key_of_the_commented_examples_is_documented(model: type[BaseModel]) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert [name for name in model.model_fields if f"{name}:" not in text] == []


def test_commented_examples_are_valid() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    apps = text[text.index("# - match") : text.index("enforcer:\n")]
    influx = text[text.index("# influxdb:") :]
    uncommented = "\n".join(line.removeprefix("# ") for line in ["apps:", *apps.splitlines(), *influx.splitlines()])
    config = parse_config(uncommented)
    assert [rule.match for rule in config.apps] == ["zoom*", "*/steamapps/*", "service:wuauserv"]
    assert config.influxdb is not None
    assert config.influxdb == InfluxConfig(url="http://127.0.0.1:8086", org="autoqos")
