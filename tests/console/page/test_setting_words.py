"""Settings in force are written as the file writes them: read back they are the same, whatever the quantity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.page.setting_words import flat, without_password, written
from qos.contract.config import Config, parse_config


@given(
    interval_ms=st.integers(100, 60_000),
    down=st.integers(8_000, 10**11),
    size=st.integers(10**8, 10**13),
)
def test_what_is_written_reads_back_as_the_same(interval_ms: int, down: int, size: int) -> None:
    text = f"interval: {interval_ms}ms\nlink: {{down: {down}bit}}\nretention: {{max_size: {size}B}}\n"
    config = parse_config(text, "config.yaml")
    values = dict(flat(written(config)))
    again = parse_config(
        f"interval: {values['interval']}\nlink: {{down: {values['link.down']}}}\n"
        f"retention: {{max_size: {values['retention.max_size']}}}\n",
        "config.yaml",
    )
    assert again == config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("interval", "1s"), ("retention.raw", "2d"), ("retention.max_size", "2GB"), ("levels.5.floor", "0bit"),
        ("link.down", None), ("forecast.grid", "auto"), ("collector.max_apps", 500), ("enforcer.hold_off", "10s"),
    ],
)  # fmt: skip
def test_defaults_have_their_units(key: str, value: object) -> None:
    assert dict(flat(written(Config())))[key] == value


def test_lists_and_addresses_too() -> None:
    config = parse_config(
        "apps: [{match: a, down: 1500kbit}]\nquota: [{volume: 300GB}]\n"
        "influxdb: {url: 'http://u:p@h:8086', org: o, bucket: b, timeout: 1500ms}\n",
        "config.yaml",
    )
    values = dict(flat(written(config)))
    assert values["apps"][0]["down"] == "1500kbit"
    assert values["quota"][0]["volume"] == "300GB"
    assert values["influxdb.timeout"] == "1500ms"
    assert values["influxdb.url"] == "http://h:8086"
    assert without_password("no address") == "no address"
