import os
import sys
from pathlib import Path

import pytest

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import data_dir, make_data_dir, store_path


def test_the_option_wins_over_the_file_and_the_file_over_the_system(tmp_path: Path) -> None:
    named = Config(data_dir=str(tmp_path / "named"))
    assert data_dir(named, tmp_path / "option") == tmp_path / "option"
    assert data_dir(named) == tmp_path / "named"
    assert data_dir(Config()).is_absolute()


def test_a_relative_or_home_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_dir(Config(), Path("data")) == tmp_path / "data"
    assert data_dir(Config(), Path("~/data")) == Path.home() / "data"


@pytest.mark.skipif(sys.platform != "linux", reason="the system's place is Linux's")
def test_root_keeps_data_in_var_lib_and_a_reader_without_data_looks_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert data_dir(Config(), system=system) == system
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    own = data_dir(Config(), reading=True, system=system)
    assert own == tmp_path / "home" / "autoqos"
    store_path(system).touch()
    assert data_dir(Config(), reading=True, system=system) == system
    assert data_dir(Config(), system=system) == own
    own.mkdir(parents=True)
    store_path(own).touch()
    assert data_dir(Config(), reading=True, system=system) == own


def test_the_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert make_data_dir(tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"is a file.*--data"):
        make_data_dir(tmp_path / "file")
    with pytest.raises(ConfigError, match=r"cannot be created.*--data"):
        make_data_dir(tmp_path / "file" / "below")
