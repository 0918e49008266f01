"""The program's own copy, the settings, the rotated log and sd_notify."""

import os
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest

from console.service import payload
from console.service.run_logged import rotate
from console.service.settings import shipped_settings, write_settings
from qos.contract.config import Config, parse_config
from qos.contract.errors import ConfigError
from qos.service.systemd import ServiceNotifier

linux = pytest.mark.skipif(sys.platform == "win32", reason="as Linux installs it")


def small_libraries(folder: Path) -> Path:
    """This environment's packages but the largest, which only training and pictures need."""
    folder.mkdir()
    large = (
        "tensorflow",
        "keras",
        "pandas",
        "scipy",
        "sklearn",
        "numba",
        "llvmlite",
        "matplotlib",
        "numpy",
        "jax",
        "grpc",
        "h5py",
        "statsmodels",
        "mypy",
        "pyarrow",
        "hypothesis",
        "polars",
        "lightgbm",
        "fugue",
        "triad",
    )
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.lower().startswith(large):
            (folder / entry.name).symlink_to(entry)
    return folder


@linux
def test_the_copy_runs_without_the_checkout_and_replaces_a_former_one(tmp_path: Path) -> None:
    target, libraries = tmp_path / "place" / "autoqos", small_libraries(tmp_path / "libraries")
    for _ in range(2):
        python = payload.install(target, [libraries])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    code = "import console, qos, sys; print(console.__file__); print(sys.prefix)"
    done = subprocess.run(
        [python, "-P", "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=True, env=clean
    )
    where, prefix = done.stdout.split()
    assert where.startswith(str(target))
    assert prefix == str(target / "env")
    helped = subprocess.run(
        [python, "-P", "-m", "console", "check"],
        capture_output=True, text=True, cwd="/", timeout=60, check=False, env=clean,
    )  # fmt: skip
    assert helped.returncode == 0, helped.stderr
    assert {path.name for path in target.parent.iterdir()} == {"autoqos"}


@linux
def test_a_copy_that_fails_leaves_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "autoqos"
    target.mkdir()
    (target / "mark").touch()
    monkeypatch.setattr(sys, "_base_executable", "/does/not/exist")
    with pytest.raises(ConfigError, match="cannot be copied there"):
        payload.install(target)
    assert (target / "mark").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"autoqos"}


@linux
def test_a_folder_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root owns what is trusted")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert payload.only_administrators_write(folder)
    folder.parent.chmod(0o777)
    assert not payload.only_administrators_write(folder)
    folder.parent.chmod(0o755)
    os.chown(folder, 1000, 1000)
    assert not payload.only_administrators_write(folder)


def test_the_copy_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "autoqos" / "env").mkdir(parents=True)
    payload.remove(tmp_path / "autoqos")
    assert not (tmp_path / "autoqos").exists()
    payload.remove(tmp_path / "autoqos")


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows keeps what is open")
def test_what_is_still_in_use_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "autoqos").mkdir()
    held = (tmp_path / "autoqos" / "python313.dll").open("w")
    later = threading.Timer(1.0, held.close)
    later.start()
    payload.remove(tmp_path / "autoqos")
    later.join()
    assert not (tmp_path / "autoqos").exists()


def test_the_shipped_settings_are_the_defaults_and_are_not_written_over(tmp_path: Path) -> None:
    assert parse_config(shipped_settings()) == Config()
    path = tmp_path / "new" / "config.yaml"
    assert write_settings(path) == [f"settings: {path}"]
    path.write_text("interval: 2s\n", encoding="utf-8")
    assert write_settings(path) == [f"settings: {path} (as they were)"]
    assert path.read_text(encoding="utf-8") == "interval: 2s\n"
    bad = tmp_path / "bad.yaml"
    bad.write_text("intervall: 2s\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no such key"):
        write_settings(path, bad)


def test_a_large_log_is_put_aside_and_three_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "autoqos.log"
    for number in range(6):
        log.write_text(f"{number}" * 20, encoding="utf-8")
        rotate(log, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"autoqos.log.{n}" for n in (1, 2, 3)]
    assert (tmp_path / "autoqos.log.1").read_text(encoding="utf-8") == "5" * 20


@linux
def test_systemd_is_told_at_half_the_watchdogs_time(tmp_path: Path) -> None:
    if sys.platform == "win32":
        return
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.setblocking(False)
        notifier = ServiceNotifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "30000000"})
        notifier.ready("runs")
        for now_s in (0, 1, 14, 15, 29, 30):
            notifier.alive(now_s * 10**9)
        notifier.stopping()
        said = []
        while True:
            try:
                said.append(listening.recv(200).decode())
            except BlockingIOError:
                break
    assert said == ["READY=1\nSTATUS=runs", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_nothing_is_said() -> None:
    notifier = ServiceNotifier({})
    notifier.ready()
    notifier.alive(0)
    notifier.stopping()
    ServiceNotifier({"NOTIFY_SOCKET": "/does/not/exist", "WATCHDOG_USEC": "x"}).ready()
