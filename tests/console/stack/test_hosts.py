"""Accounts of other computers, the state of the stack and its backup: against a real InfluxDB 2.x if one is named."""

import os
import shutil
from pathlib import Path

import pytest

from console.stack.backup import backup
from console.stack.folder import Stack, open_stack
from console.stack.hosts import add_host, remove_host
from console.stack.server import ask
from console.stack.status import checks
from qos.contract.errors import ConfigError
from tests.servers import free_port

REAL = os.environ.get("AUTOQOS_TEST_INFLUX_URL", "").rstrip("/")
real = pytest.mark.skipif(not REAL, reason="AUTOQOS_TEST_INFLUX_URL names no real InfluxDB 2.x")


def stack(folder: Path, url: str, **values: str) -> Stack:
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return open_stack(folder, url)


def test_without_env_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run `autoqos stack init` first"):
        open_stack(tmp_path)


def test_the_port_of_env_is_where_it_looks(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INFLUX_PORT=18086\nGRAFANA_PORT=13000\n")
    found = open_stack(tmp_path)
    assert (found.url, found.grafana) == ("http://127.0.0.1:18086", "http://127.0.0.1:13000")


def test_a_server_that_is_down_is_said_with_what_to_do(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = list(checks(stack(tmp_path, url, INFLUX_ADMIN_TOKEN="t", GRAFANA_PORT=str(free_port())), 0))
    assert [(check.name, check.ok) for check in found] == [("InfluxDB", False), ("Grafana", False)]
    assert all("docker compose up -d" in check.text for check in found)
    with pytest.raises(ConfigError, match="does not answer"):
        add_host(open_stack(tmp_path, url), "laptop", reached_at=url, ca=None)


@pytest.mark.parametrize("name", ["", "a b", "-x", "a:b", "ä", "a/b", "x" * 80])
def test_a_name_that_is_none_is_refused_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a computer"):
        add_host(stack(tmp_path, "http://127.0.0.1:1", INFLUX_ADMIN_TOKEN="t"), name, reached_at="x", ca=None)


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    (target / "file").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        backup(stack(tmp_path, "http://127.0.0.1:1", INFLUX_ADMIN_TOKEN="t"), target, local=True)


@real
@pytest.mark.server
def test_an_added_host_may_write_every_bucket_and_read_none_until_it_is_removed(tmp_path: Path) -> None:
    found = stack(tmp_path, REAL, INFLUX_ADMIN_TOKEN=os.environ.get("AUTOQOS_TEST_INFLUX_TOKEN", ""))
    lines = add_host(found, "test-laptop", reached_at="https://server:8443", ca=None)
    try:
        values = dict(line.split("=", 1) for line in lines)
        token = values["INFLUX_TOKEN"]
        assert values["INFLUX_URL"] == "https://server:8443"
        for rp in ("", "&rp=5m", "&rp=1h"):
            assert ask(f"{REAL}/write?db=autoqos{rp}", token=token, body=b"agent,host=t n=1i").status == 204
        assert "database not found" in ask(f"{REAL}/query?db=autoqos&q=SELECT+*+FROM+agent", token=token).text
        with pytest.raises(ConfigError, match="there is an account of that name"):
            add_host(found, "test-laptop", reached_at="x", ca=None)
    finally:
        remove_host(found, "test-laptop")
    assert ask(f"{REAL}/write?db=autoqos", token=token, body=b"agent,host=t n=1i").status == 401
    with pytest.raises(ConfigError, match="has no account of that name"):
        remove_host(found, "test-laptop")


@real
@pytest.mark.server
def test_the_state_of_a_real_server_and_its_backup(tmp_path: Path) -> None:
    token = os.environ.get("AUTOQOS_TEST_INFLUX_TOKEN", "")
    found = stack(tmp_path, REAL, INFLUX_ADMIN_TOKEN=token, INFLUX_TOKEN=token)
    by_name = {check.name: check for check in checks(found, 0)}
    assert by_name["InfluxDB"].ok
    assert by_name["agent's token"].ok, by_name["agent's token"].text
    if shutil.which("influx") is None:
        pytest.skip("the influx command line is not installed")
    backup(found, tmp_path / "kept", local=True)
    assert list((tmp_path / "kept" / "influxdb").glob("*.manifest"))
    assert (tmp_path / "kept" / ".env").stat().st_mode & 0o77 == 0
