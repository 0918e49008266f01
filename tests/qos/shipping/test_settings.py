"""Which InfluxDB, and where forecasts are made: one answer for every part."""

from pathlib import Path

import pytest

from console.supervisor.parts import wanted
from qos.contract.config import parse_config
from qos.service.config_file import load_config, load_secrets
from qos.shipping.settings import forecaster_place, influx_settings

SERVER = "influxdb: {url: 'http://db:8086', org: o}\n"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "ORG", "BUCKET", "CA", "TOKEN", "READ_TOKEN"):
        monkeypatch.delenv(f"INFLUX_{name}", raising=False)
    monkeypatch.delenv("FORECASTER_INFLUX_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{}", "here"),
        (SERVER, "server"),
        (SERVER + "forecast: {where: here}", "here"),
        (SERVER + "forecast: {where: auto}", "server"),
        ("forecast: {where: server}", "server"),
        ("forecast: {enabled: false}", "off"),
        (SERVER + "forecast: {enabled: false, where: here}", "off"),
    ],
)
def test_the_place_of_the_forecaster_is_one_rule_that_up_follows(text: str, where: str) -> None:
    config = parse_config(text)
    assert forecaster_place(config).where == where
    assert ("forecaster" in wanted(config)) == (where == "here")
    assert ("shipper" in wanted(config)) == (SERVER in text)


def test_a_container_that_is_told_its_server_forecasts_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_URL", "http://influxdb:8086")
    assert forecaster_place(parse_config("{}")).where == "server"


def test_the_lines_of_add_host_in_env_are_all_that_a_computer_needs(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("host: laptop\n")
    (tmp_path / ".env").write_text(
        "INFLUX_URL=https://server:8443\nINFLUX_TOKEN=agent-laptop:x\nINFLUX_CA=/etc/autoqos/ca.crt\n"
    )
    config = load_config(path)
    found = influx_settings(config)
    assert found is not None
    assert (found.url, found.org, found.bucket, found.ca) == (
        "https://server:8443",
        "autoqos",
        "autoqos",
        "/etc/autoqos/ca.crt",
    )
    assert "shipper" in wanted(config)


def test_an_env_of_the_stack_alone_names_no_server(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("host: desk\n")
    (tmp_path / ".env").write_text("INFLUX_TOKEN=agent:x\nINFLUX_PORT=8086\n")
    assert influx_settings(load_config(path)) is None


def test_the_forecaster_takes_its_own_token_and_else_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    (tmp_path / ".env").write_text("INFLUX_TOKEN=agent:x\nFORECASTER_INFLUX_TOKEN=forecaster:y\n")
    token = load_secrets(path).influx_forecaster_token
    assert token is not None
    assert token.get_secret_value() == "forecaster:y"
    (tmp_path / ".env").write_text("INFLUX_TOKEN=only\n")
    token = load_secrets(path).influx_forecaster_token
    assert token is not None
    assert token.get_secret_value() == "only"
