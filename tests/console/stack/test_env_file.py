"""``autoqos stack init``: strong secrets, once; and the files it stands for agree with each other."""

import os
import re
import stat
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from console.stack.env_file import KEYS, example, init, secret
from qos.contract.errors import ConfigError
from qos.service.config_file import load_secrets

ROOT = Path(__file__).parents[3]
SECRETS = {key.name for key in KEYS if key.make}


def values(folder: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(folder / ".env").items()}


def test_every_secret_is_long_random_and_safe_in_every_file(tmp_path: Path) -> None:
    init(tmp_path)
    first = values(tmp_path)
    (tmp_path / ".env").unlink()
    init(tmp_path)
    second = values(tmp_path)
    for name in SECRETS:
        assert first[name] != second[name], name
        account, _, password = first[name].rpartition(":")
        # 190 bits. No dollar, quote, space or leading hyphen: compose, Grafana, shells and `influx` read these too.
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31}", password), name
        assert account in ("", "agent", "grafana", "forecaster"), name
    assert len({value.rpartition(":")[2] for name, value in first.items() if name in SECRETS}) == len(SECRETS) - 1


def test_the_reader_is_grafanas_account(tmp_path: Path) -> None:
    init(tmp_path)
    found = values(tmp_path)
    assert found["INFLUX_READ_TOKEN"] == f"{found['GRAFANA_INFLUX_USER']}:{found['GRAFANA_INFLUX_PASSWORD']}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files to their owner by other means")
def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        init(tmp_path)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    init(tmp_path)
    before = (tmp_path / ".env").read_bytes()
    said = init(tmp_path)
    assert (tmp_path / ".env").read_bytes() == before
    assert "nothing changed" in said[0]


def test_a_users_own_file_is_completed_and_never_changed(tmp_path: Path) -> None:
    own = "# mine\nINFLUX_TOKEN=token-of-a-cloud\nOTHER=1\nGRAFANA_INFLUX_PASSWORD=chosen"
    (tmp_path / ".env").write_text(own)
    said = init(tmp_path)
    text = (tmp_path / ".env").read_text()
    assert text.startswith(own + "\n")
    assert values(tmp_path)["INFLUX_TOKEN"] == "token-of-a-cloud"
    assert values(tmp_path)["INFLUX_READ_TOKEN"] == "grafana:chosen"
    assert {key.name for key in KEYS} <= values(tmp_path).keys()
    assert "kept, added" in said[0]


def test_the_agent_finds_its_token_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    monkeypatch.delenv("INFLUX_READ_TOKEN", raising=False)
    init(tmp_path)
    found = load_secrets(tmp_path / "config.yaml")
    assert found.influx_token is not None
    assert found.influx_token.get_secret_value() == values(tmp_path)["INFLUX_TOKEN"]
    assert found.influx_read_token is not None
    assert found.influx_read_token.get_secret_value() == values(tmp_path)["INFLUX_READ_TOKEN"]
    assert values(tmp_path)["INFLUX_TOKEN"] not in repr(found)


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.*cannot be written"):
        init(tmp_path / "nowhere")


def test_it_says_what_to_run_next_and_where_it_belongs(tmp_path: Path) -> None:
    assert any("run this in the project's folder" in line for line in init(tmp_path))
    (tmp_path / "docker-compose.yml").write_text("")
    assert any("docker compose up -d" in line for line in init(tmp_path))


def test_the_example_is_the_table_without_secrets() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == example()
    assert all(not value for name, value in dotenv_values(ROOT / ".env.example").items() if name in SECRETS)


def test_ten_thousand_secrets_are_letters_and_digits_and_begin_with_a_letter() -> None:
    found = {secret() for _ in range(10_000)}
    assert len(found) == 10_000
    bad = [text for text in found if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31}", text)]
    assert bad == []


def test_an_older_env_with_a_secret_that_the_image_refuses_is_said(tmp_path: Path) -> None:
    init(tmp_path)
    old = (tmp_path / ".env").read_text()
    (tmp_path / ".env").write_text(re.sub("GRAFANA_ADMIN_PASSWORD=.*", "GRAFANA_ADMIN_PASSWORD=-abc", old))
    assert any("GRAFANA_ADMIN_PASSWORD begins with a hyphen" in line for line in init(tmp_path))
