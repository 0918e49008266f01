import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import data_dir, make_data_dir, private_files, store_path
from qos.store.sqlite.store import SqliteStore


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


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


on_posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are of Linux and macOS")


@on_posix
def test_the_directory_and_the_store_are_for_owner_and_group_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        data = make_data_dir(tmp_path / "data")
        with private_files(), SqliteStore(store_path(data)) as store:
            store.set_state("a", 1)
            files = {path.name: mode(path) for path in data.glob("autoqos.db*")}
        assert os.umask(0) == 0
    finally:
        os.umask(old)
    assert mode(data) == 0o750
    assert set(files.values()) == {0o640}


@on_posix
def test_what_an_older_version_left_open_is_closed_in_our_own_place_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    own, chosen = tmp_path / "home" / "autoqos", tmp_path / "chosen"
    for folder in (own, chosen):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        store_path(folder).touch()
        store_path(folder).chmod(0o644)
        make_data_dir(folder)
    assert (mode(own), mode(store_path(own))) == (0o750, 0o640)
    assert (mode(chosen), mode(store_path(chosen))) == (0o755, 0o644)


@on_posix
def test_a_group_that_is_named_may_read_also_what_comes_later(tmp_path: Path) -> None:
    import grp

    group = grp.getgrgid(os.getgid()).gr_name
    data = make_data_dir(tmp_path / "data", group)
    assert mode(data) == 0o2750
    assert data.stat().st_gid == os.getgid()
    with pytest.raises(ConfigError, match=r"data_group: there is no group 'nobody-has-this-one': make it"):
        make_data_dir(tmp_path / "data", "nobody-has-this-one")


@on_posix
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user: needs root")
def test_another_user_reads_nothing_and_a_member_of_the_group_reads(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    data = tmp_path / "data"
    make_data_dir(data)
    with private_files(), SqliteStore(store_path(data)) as store:
        store.set_state("a", 1)
        for group, extra, expected in (("none", [], b"denied"), ("daemon", [], b"denied"), ("daemon", [1], b"1")):
            make_data_dir(data, group)
            script = (
                "import os\n"
                "from pathlib import Path\n"
                "from qos.contract.errors import StoreUnavailable, ConfigError\n"
                "from qos.store.sqlite.store import SqliteStore\n"
                f"os.setgroups({extra}); os.setgid(65534); os.setuid(65534)\n"
                "try:\n"
                f"    print(SqliteStore(Path({str(store_path(data))!r}), read_only=True).get_state('a'))\n"
                "except (StoreUnavailable, ConfigError, PermissionError):\n"
                "    print('denied')\n"
            )
            ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
            assert ran.stdout.strip() == expected, (group, extra)
