import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.commands.context import Context
from console.views.status.status import Status, read_status
from console.views.status.status_table import lines
from qos.contract.config import Config, parse_config
from qos.contract.documents.engine import ControlReport, EngineReport
from qos.contract.documents.limits import Limits
from qos.contract.points import Agent
from qos.store.sqlite.store import SqliteStore
from qos.system.process_start import process_start
from tests.console.samples import S, fill, live_document


def _status(data: Path, config: Config | None = None, now_ns: int | None = None) -> Status:
    return read_status(Context(config or Config(), None, data), now_ns or time.time_ns())


def _beat(data: Path, part: str, **changes: object) -> None:
    start = process_start(os.getpid())
    document = {"pid": os.getpid(), "start": start, "time_ns": time.time_ns(), "state": "running"} | changes
    with SqliteStore(data / "autoqos.db") as store:
        store.set_state(f"part:{part}", document)


def test_a_part_that_beats_and_lives_runs(tmp_path: Path) -> None:
    fill(tmp_path, time.time_ns(), 2)
    _beat(tmp_path, "collector")
    status = _status(tmp_path)
    assert [part.part for part in status.running] == ["collector"]
    assert status.live is not None
    assert status.document()["self"]["rss_bytes"] > 0
    text = "\n".join(lines(status))
    assert "AutoQoS runs: collector" in text
    assert "capture   kernel: the first that works" in text
    assert "coverage  98.0 %" in text
    assert "not seen  the traffic inside containers" in text


def test_silent_stopped_and_gone_parts_are_told_apart(tmp_path: Path) -> None:
    _beat(tmp_path, "collector")
    _beat(tmp_path, "enforcer", state="stopped")
    _beat(tmp_path, "shipper", pid=2**22 - 3)
    later = _status(tmp_path, now_ns=time.time_ns() + 60 * S)
    states = {part.part: part.state for part in later.parts}
    assert states == {"collector": "silent", "enforcer": "stopped", "shipper": "gone"}
    assert later.running == ()


def test_a_process_that_was_given_the_pid_later_is_not_the_part(tmp_path: Path) -> None:
    _beat(tmp_path, "collector", start=1)
    (part,) = _status(tmp_path).parts
    assert (part.running, part.state) == (False, "gone")


def test_a_part_that_writes_seldom_says_so_and_is_not_silent_in_between(tmp_path: Path) -> None:
    _beat(tmp_path, "forecaster", time_ns=time.time_ns() - 1, every_ns=30 * S)
    assert _status(tmp_path, now_ns=time.time_ns() + 80 * S).running[0].part == "forecaster"
    assert _status(tmp_path, now_ns=time.time_ns() + 100 * S).running == ()


def test_cpu_is_what_the_part_measured_over_the_last_minute(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    _beat(tmp_path, "collector")
    zero: dict[str, Any] = dict.fromkeys(
        ("points_written", "points_dropped", "capture_lost", "outbox_rows", "restarts"), 0
    )
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(
            [
                Agent(time_ns=now_ns - i * S, host="h", part="collector", cpu_percent=float(i), rss_bytes=1, **zero)
                for i in range(1, 4)
            ]
        )
    (part,) = _status(tmp_path).parts
    assert part.cpu_percent == 2.0


def test_a_collector_that_is_gone_leaves_no_present(tmp_path: Path) -> None:
    fill(tmp_path, time.time_ns(), 2, live_document(time.time_ns()))
    _beat(tmp_path, "collector", pid=2**22 - 3)
    assert _status(tmp_path).live is None
    assert _status(tmp_path).document()["capture"] is None


def test_the_outbox_is_told_only_with_influxdb_and_counted_when_no_shipper_runs(tmp_path: Path) -> None:
    fill(tmp_path, time.time_ns(), 2)
    assert _status(tmp_path).outbox is None
    config = parse_config("influxdb: {url: 'http://127.0.0.1:9', org: o}")
    outbox = _status(tmp_path, config).outbox
    assert outbox is not None
    assert outbox["rows"] == 16
    _beat(
        tmp_path, "shipper", rows=7, oldest_ns=time.time_ns() - 90 * S, rate=12.0, last_error="refused", url="http://x"
    )
    text = "\n".join(lines(_status(tmp_path, config)))
    assert "http://x: 7 rows waiting, the oldest 90 s old" in text
    assert "last error: refused" in text


def test_the_store_and_a_pause_are_shown(tmp_path: Path) -> None:
    fill(tmp_path, time.time_ns(), 2)
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.set_state("override:pause", {"until_ns": None, "set_ns": 1})
    status = _status(tmp_path)
    assert (status.store_bytes or 0) > 10_000
    assert status.paused
    assert any("paused" in line for line in lines(status))


def test_every_state_of_shipping_has_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env here
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    fill(tmp_path, time.time_ns(), 2)
    config = parse_config("influxdb: {url: 'http://127.0.0.1:9', org: o}")
    (tmp_path / "outbox-rejected.lp").write_text("# 400 conflict\nprobe sent=1i 1\nprobe sent=1i 2\n")
    text = "\n".join(lines(_status(tmp_path, config)))
    assert "the shipper does not run" in text
    assert "INFLUX_TOKEN is not set" in text
    assert "2 points set aside" in text
    assert "forecasts: made beside InfluxDB" in text
    _beat(tmp_path, "shipper", rows=7, url="http://x", history_error="404 bucket not found", last_error="no token")
    text = "\n".join(lines(_status(tmp_path, config)))
    assert "coarse history not shipped: 404 bucket not found" in text
    assert "2 points set aside" in text
    assert "does not run" not in text
    _beat(tmp_path, "shipper", rows=7, url="http://x", states=["http://x takes no points now: away"], last_error="away")
    text = "\n".join(lines(_status(tmp_path, config)))
    assert "          http://x takes no points now: away" in text
    assert "last error" not in text
    assert "forecasts: made here" in "\n".join(lines(_status(tmp_path)))


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (EngineReport(handles=5, datapath="kernel"), "limits are held by the kernel's own queues"),
        (EngineReport(handles=2, datapath="divert", why="no tcx"), "limits are held by the enforcer itself: no tcx"),
        (EngineReport(), None),
    ],
)
def test_what_holds_the_limits_is_said_while_somebody_is_held(
    tmp_path: Path, engine: EngineReport, said: str | None
) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        limits = Limits(
            time_ns=time.time_ns(), mode="enforce", state="enforcing", engine=replace(engine, auto=ControlReport())
        )
        store.set_state(Limits.KEY, limits.dump())
    found = [line for line in _status(tmp_path).line if line.startswith("limits")]
    assert found == ([said] if said else [])


def test_the_mode_is_that_of_the_enforcer_that_runs_wherever_status_is_called(tmp_path: Path) -> None:
    def limits(ago_ns: int) -> None:
        with SqliteStore(tmp_path / "autoqos.db") as store:
            found = Limits(time_ns=time.time_ns() - ago_ns, mode="enforce", state="enforcing")
            store.set_state(Limits.KEY, found.dump())

    elsewhere = parse_config("mode: dry_run")  # the settings of the folder that one happens to be in
    limits(0)
    assert _status(tmp_path, elsewhere).mode == "dry_run", "no enforcer runs: the settings say what would be"
    _beat(tmp_path, "enforcer")
    assert _status(tmp_path, elsewhere).mode == "enforce"
    assert "AutoQoS runs: enforcer (mode enforce)" in "\n".join(lines(_status(tmp_path)))
    limits(3600 * S)
    assert _status(tmp_path, elsewhere).mode == "dry_run", "what an enforcer of an hour ago did"
    limits(0)
    _beat(tmp_path, "enforcer", state="stopped")
    assert _status(tmp_path, elsewhere).mode == "dry_run"


def test_the_settings_are_those_of_what_runs_and_what_this_folder_says_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _beat(tmp_path, "supervisor", config="/etc/autoqos/config.yaml")
    status = _status(tmp_path)
    assert status.document()["config"] is None
    assert status.document()["config_in_force"] == "/etc/autoqos/config.yaml"
    assert "settings  /etc/autoqos/config.yaml (of what runs; none in this folder)" in list(lines(status))
    own = tmp_path / "config.yaml"
    status = read_status(Context(Config(), own, tmp_path), time.time_ns())
    said = f"settings  /etc/autoqos/config.yaml (of what runs; this folder has {own})"
    assert said in list(lines(status))
    _beat(tmp_path, "supervisor", config=str(own))
    assert f"settings  {own}" in list(lines(read_status(Context(Config(), own, tmp_path), time.time_ns())))
    monkeypatch.chdir(tmp_path)
    assert "settings  config.yaml" in list(
        lines(read_status(Context(Config(), Path(own.name), tmp_path), time.time_ns()))
    )
    _beat(tmp_path, "supervisor", config="/etc/autoqos/config.yaml", state="stopped")
    assert "settings  built-in defaults (no config.yaml here)" in list(lines(_status(tmp_path)))
