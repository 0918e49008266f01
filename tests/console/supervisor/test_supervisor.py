"""``autoqos up`` with real children: started, killed, restarted, stopped. No packets: the light capture, no targets."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.supervisor.child import command, stop_children
from console.supervisor.parts import installed, wanted
from console.supervisor.supervised_child import SupervisedChild
from console.supervisor.supervisor import Supervisor
from qos.contract.config import Config, parse_config
from qos.contract.environment import SUPERVISED
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[3]
_SETTINGS = "collector: {capture: psutil, targets: []}\nforecast: {enabled: false}\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as Linux sends them")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(_SETTINGS)
    return tmp_path


def state(home: Path, key: str) -> dict[str, Any]:
    try:
        with SqliteStore(home / "data" / "autoqos.db", read_only=True) as store:
            return store.get_state(key) or {}
    except (ConfigError, StoreUnavailable):  # not there yet, or being made at this moment
        return {}


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def up(home: Path, *how: str) -> "Iterator[subprocess.Popen[str]]":
    """A real ``autoqos up``, killed with all its children in the end."""
    process = subprocess.Popen(
        [
            sys.executable,
            *(how or ("-m", "console")),
            "up",
            "--config",
            str(home / "config.yaml"),
            "--data",
            str(home / "data"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    family: list[psutil.Process] = []
    try:
        until(lambda: state(home, "part:collector").get("state") == "running", "the collector runs")
        family = psutil.Process(process.pid).children(recursive=True)
        yield process
    finally:
        with contextlib.suppress(psutil.Error):
            family += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()
        process.communicate(timeout=20)


def test_ctrl_c_stops_everything_cleanly_and_says_so_in_the_store(home: Path) -> None:
    with up(home) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        until(lambda: set(state(home, "part:supervisor")["parts"]) == set(wanted(parse_config(_SETTINGS))), "its parts")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, "some child had to be killed"
        assert time.monotonic() - started < 30  # five seconds on a machine that is not loaded
        assert psutil.wait_procs(children, timeout=10)[1] == []
        assert state(home, "part:supervisor")["state"] == "stopped"
        assert state(home, "part:collector")["state"] == "stopped"


def test_a_second_ctrl_c_does_not_wait_for_a_child_that_hangs(home: Path) -> None:
    patient = "import sys, console.supervisor.supervisor as s\ns.GRACE_S = 100\n"
    patient += "from console.cli import main\nmain(sys.argv[1:])"
    with up(home, "-c", patient) as process:
        os.kill(state(home, "part:collector")["pid"], signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 1  # long before the hundred seconds are over
        assert process.stderr is not None
        assert "had to be killed" in process.stderr.read()


def test_a_killed_child_is_started_again_and_counted(home: Path) -> None:
    with up(home) as process:
        first = state(home, "part:collector")["pid"]
        os.kill(first, signal.SIGKILL)
        until(lambda: state(home, "part:collector").get("pid") not in (None, first), "another collector")
        until(lambda: state(home, "part:supervisor").get("restarts") == 1, "one restart counted")
        with SqliteStore(home / "data" / "autoqos.db", read_only=True) as store:
            events = store.read("event", where={"part": "supervisor", "kind": "restart"})
        assert events["subject"] == ["collector"]
        assert "SIGKILL" in events["message"][0]
        assert process.poll() is None


def test_children_do_not_outlive_a_supervisor_that_was_killed(home: Path) -> None:
    with up(home) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_second_up_on_the_same_data_is_refused_with_one_line(home: Path) -> None:
    with up(home) as process:
        second = subprocess.run(
            [sys.executable, "-m", "console", "up", "--data", str(home / "data")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
        assert second.returncode == 2
        assert len(second.stderr.splitlines()) == 1
        assert f"PID {process.pid}" in second.stderr


def test_the_settings_choose_the_parts() -> None:
    assert installed("collector")
    assert "shipper" not in wanted(Config())
    shipping = parse_config("influxdb: {url: 'http://127.0.0.1:9', org: o}")
    assert "shipper" in wanted(shipping)
    assert "forecaster" not in wanted(shipping)
    assert "forecaster" not in wanted(parse_config("forecast: {enabled: false}"))


class _Screen:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, *lines: str) -> None:
        self.said += lines

    def due(self, now_ns: int) -> bool:
        return False

    def show(self, live: object, parts: object, now_ns: int) -> None:
        raise AssertionError("not due")


def test_a_part_that_cannot_start_is_told_and_tried_again_without_stopping_the_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("INFLUX_URL", "no address at all")
    path = home / "config.yaml"
    path.write_text(_SETTINGS + "influxdb: {url: 'http://127.0.0.1:9', org: o}\n")
    (home / "data").mkdir()
    config = parse_config(path.read_text())
    screen, stop = _Screen(), threading.Event()
    with SqliteStore(home / "data" / "autoqos.db") as store:
        supervisor = Supervisor(config, path, home / "data", store, screen)
        thread = threading.Thread(target=supervisor.run, args=(stop,))
        thread.start()
        try:
            until(lambda: sum("shipper: ended (status 2)" in line for line in list(screen.said)) >= 2, "two tries")
            until(lambda: state(home, "part:collector").get("state") == "running", "the collector runs")
            assert any("INFLUX_URL in the environment" in line for line in screen.said)
        finally:
            stop.set()
            thread.join(60)
    assert not thread.is_alive()


def test_an_edit_of_the_settings_starts_and_stops_parts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (home / "data").mkdir()
    path = home / "config.yaml"
    screen, stop = _Screen(), threading.Event()
    with SqliteStore(home / "data" / "autoqos.db") as store:
        supervisor = Supervisor(parse_config(_SETTINGS), path, home / "data", store, screen)
        thread = threading.Thread(target=supervisor.run, args=(stop,))
        thread.start()
        try:
            until(lambda: state(home, "part:supervisor").get("state") == "running", "the supervisor runs")
            path.write_text(_SETTINGS.replace("enabled: false", "enabled: true"))
            until(lambda: "forecaster" in state(home, "part:supervisor").get("parts", {}), "the forecaster is started")
            path.write_text(_SETTINGS)
            until(lambda: "forecaster" not in state(home, "part:supervisor").get("parts", {}), "it is stopped")
        finally:
            stop.set()
            thread.join(60)
    assert any("no longer wanted" in line for line in screen.said)


@pytest.mark.parametrize("stopped", [False, True], ids=["deaf", "stopped"])
def test_a_child_that_does_not_follow_the_request_is_killed(stopped: bool) -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)\n"
        "print('ready', flush=True)\nwhile True: signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        if stopped:
            child.send_signal(signal.SIGSTOP)
        assert stop_children([child], grace_s=0.5) == [child.pid]
        assert child.returncode == -signal.SIGKILL


def test_the_child_is_this_interpreter_with_absolute_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    child = command("collector", Path("config.yaml"), tmp_path)
    assert list(child.argv) == [
        sys.executable,
        "-P",
        "-m",
        "console",
        "collector",
        "--config",
        str(tmp_path / "config.yaml"),
        "--data",
        str(tmp_path),
    ]
    assert child.env[SUPERVISED] == "1"
    assert child.cwd == ROOT
    assert SUPERVISED not in os.environ


def test_a_supervised_child_reports_an_end_once_with_the_childs_last_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (home / "config.yaml").write_text("interval: soon\n")
    told: list[tuple[str, str]] = []
    supervised = SupervisedChild(
        "collector", home / "config.yaml", home / "data", lambda part, line: told.append((part, line))
    )
    assert supervised.poll(0) is None
    assert supervised.child is not None
    supervised.child.wait(60)
    ended = supervised.poll(10**9)
    assert ended is not None
    assert (ended.part, ended.status, ended.again_s) == ("collector", 2, 0.5)
    assert "interval" in ended.last_line
    assert told == [("collector", ended.last_line)]
    assert supervised.state == "waiting"
    assert supervised.poll(10**9 + 1) is None
    assert supervised.restarts == 0


def test_a_part_that_cannot_be_started_is_said_tried_again_and_ends_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(home / "no-python"))
    supervised = SupervisedChild("collector", home / "config.yaml", home / "data", lambda _part, _line: None)
    ended = supervised.poll(0)
    assert ended is not None
    assert (ended.status, ended.again_s) == (None, 0.5)
    assert "no-python" in ended.last_line
    assert supervised.state == "waiting"
    assert supervised.poll(10**8) is None
    again = supervised.poll(10**9)
    assert again is not None
    assert again.again_s == 1.0
