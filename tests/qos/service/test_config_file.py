"""The settings' file and the secrets' beside it: found, read, and never shown."""

import socket
from pathlib import Path

import pytest

from qos.contract.errors import ConfigError
from qos.service.config_file import find_config, load_config, load_secrets


def test_auto_is_this_machines_name(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("host: desk\n", encoding="utf-8")
    assert (load_config(None).host, load_config(path).host) == (socket.gethostname(), "desk")


def test_the_file_is_named_in_the_message_and_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbfinterval: 2s\n")
    assert load_config(path).interval == 2 * 10**9
    path.write_text("intervall: 2s\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml: intervall: no such key"):
        load_config(path)
    path.write_bytes(b"host: \xff\xfe\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text: save it as UTF-8"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_the_named_file_must_exist_and_the_default_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config() is None
    with pytest.raises(ConfigError, match=r"gone\.yaml: no such file: check --config"):
        find_config(tmp_path / "gone.yaml")
    (tmp_path / "config.yaml").write_text("interval: 1s\n", encoding="utf-8")
    assert find_config() == Path("config.yaml")


def test_secrets_come_from_the_environment_before_the_file_and_never_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    monkeypatch.delenv("INFLUX_READ_TOKEN", raising=False)
    config = tmp_path / "config.yaml"
    assert load_secrets(config).influx_token is None
    (tmp_path / ".env").write_text("INFLUX_TOKEN=from-the-file\n", encoding="utf-8")
    secrets = load_secrets(config)
    assert secrets.influx_token is not None
    assert secrets.influx_token.get_secret_value() == "from-the-file"
    assert "from-the-file" not in f"{secrets!r} {secrets}"
    monkeypatch.setenv("INFLUX_TOKEN", "from-the-environment")
    secrets = load_secrets(config)
    assert secrets.influx_token is not None
    assert secrets.influx_token.get_secret_value() == "from-the-environment"
