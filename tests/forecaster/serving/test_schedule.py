"""When the next round is due, and that each is a process of its own."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from forecaster.serving import schedule
from forecaster.serving.health import problem
from forecaster.serving.schedule import HEARTBEAT, Job, next_job, run
from qos.contract.config import parse_config
from qos.contract.environment import SUPERVISED
from qos.service.config_file import load_config
from qos.store.sqlite.store import SqliteStore

S = 10**9
HOUR = 3600 * S


def test_a_failed_round_is_tried_again_in_five_minutes() -> None:
    job = next_job(now_ns=HOUR, round_began_ns=0, done={"forecasts": 3, "reach_ns": HOUR}, failed=True, every_ns=HOUR)
    assert job == Job("round", HOUR + 300 * S)


@pytest.mark.parametrize("done", [None, {}, {"forecasts": 0, "reach_ns": 0}])
def test_a_round_that_had_nothing_to_forecast_is_tried_again_soon(done: dict[str, int] | None) -> None:
    assert next_job(now_ns=5 * S, round_began_ns=0, done=done, failed=False, every_ns=HOUR) == Job("round", 305 * S)


def test_rounds_keep_their_distance_from_start_to_start() -> None:
    done = {"forecasts": 3, "reach_ns": HOUR}
    assert next_job(now_ns=480 * S, round_began_ns=0, done=done, failed=False, every_ns=HOUR) == Job("round", HOUR)


def test_a_round_that_took_longer_than_its_distance_is_not_queued_twice() -> None:
    done = {"forecasts": 3, "reach_ns": HOUR}
    late = next_job(now_ns=5000 * S, round_began_ns=0, done=done, failed=False, every_ns=HOUR)
    assert late == Job("round", 5000 * S)


def test_a_short_forecast_is_refreshed_between_rounds() -> None:
    done = {"forecasts": 3, "reach_ns": 110 * S}
    assert next_job(now_ns=60 * S, round_began_ns=0, done=done, failed=False, every_ns=HOUR) == Job("refresh", 170 * S)
    tiny = {"forecasts": 3, "reach_ns": 10 * S}
    assert next_job(now_ns=60 * S, round_began_ns=0, done=tiny, failed=False, every_ns=HOUR) == Job("refresh", 120 * S)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "START_NS", 0)


def wait_for(path: Path, state: str, seconds: float = 60) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and (found := json.loads(path.read_text()))["state"] == state:
            return dict(found)
        time.sleep(0.05)
    raise AssertionError(f"{path} never said {state!r}")


@pytest.mark.usefixtures("at_once")
def test_a_round_runs_in_another_process_and_the_schedule_says_how_it_goes(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        stop = threading.Event()
        config = parse_config("forecast: {models: [naive]}")
        thread = threading.Thread(target=run, args=(config, None, tmp_path, stop))
        thread.start()
        try:
            training = wait_for(tmp_path / HEARTBEAT, "training")
            assert training["job_pid"] != training["pid"]
            # An empty store: nothing to forecast, tried again in five minutes.
            waiting = wait_for(tmp_path / HEARTBEAT, "waiting")
            assert waiting["detail"] == "next round in 5 min"
            document = store.get_state("part:forecaster")
            assert document is not None
            assert document["state"] == "waiting"
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()
        document = store.get_state("part:forecaster")
        assert document is not None
        assert document["state"] == "stopped"
    assert json.loads((tmp_path / schedule.STATUS).read_text())["forecasts"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="stands in for the interpreter with a script, and looks at /proc")
@pytest.mark.usefixtures("at_once")
def test_stopping_ends_a_round_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "forever"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(parse_config(""), None, tmp_path, stop))
    thread.start()
    pid = wait_for(tmp_path / HEARTBEAT, "training")["job_pid"]
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.usefixtures("at_once")
def test_a_round_that_fails_is_survived(tmp_path: Path) -> None:
    # No store at all: the round ends with status 2.
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(parse_config("forecast: {models: [naive]}"), None, tmp_path, stop))
    thread.start()
    try:
        assert wait_for(tmp_path / HEARTBEAT, "waiting")["detail"] == "next round in 5 min"
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("supervised", "state"), [("", "resting"), ("1", "waiting")])
def test_the_container_rests_where_each_computer_forecasts_and_a_part_of_up_does_not(
    supervised: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(SUPERVISED, supervised)
    stop = threading.Event()
    config = parse_config("forecast: {models: [naive], where: here}")
    thread = threading.Thread(target=run, args=(config, None, tmp_path, stop))
    thread.start()
    try:
        wait_for(tmp_path / HEARTBEAT, state)
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.usefixtures("at_once")
def test_an_edited_distance_between_rounds_is_in_force_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("forecast: {models: [naive], every: 24h}")
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(load_config(path), path, tmp_path, stop))
    thread.start()
    try:
        assert wait_for(tmp_path / HEARTBEAT, "waiting")["detail"] == "next round in 5 min"
        path.write_text("forecast: {models: [naive], every: 2m}")
        deadline = time.monotonic() + 60
        while wait_for(tmp_path / HEARTBEAT, "waiting")["detail"] != "next round in 2 min":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"pid": 1, "time_ns": 1000000000000, "state": "waiting"}', None),
        ('{"pid": 1, "time_ns": 1000000000000, "state": "stopped"}', "has stopped"),
        ('{"pid": 1, "time_ns": 700000000000, "state": "training"}', "no heartbeat for 300 s"),
        ("{", "heartbeat.json"),
        ('{"pid": 1}', "is no heartbeat"),
        (None, "No such file"),
    ],
)
def test_health_is_a_fresh_heartbeat(text: str | None, words: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / HEARTBEAT).parent.mkdir()
        (tmp_path / HEARTBEAT).write_text(text)
    found = problem(tmp_path, 1000 * S)
    assert (found is None) if words is None else (found is not None and words in found)
