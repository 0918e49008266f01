"""The command line as a person and a script meet it: in this process through typer's runner, and as a real process."""

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.commands.app import app
from qos.contract.errors import ConfigError
from qos.contract.points import AppTraffic
from qos.store.sqlite.store import SqliteStore
from tests.console.samples import S, fill, live_document, points

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fill(tmp_path / "data", time.time_ns())


def invoke(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def document(*arguments: str) -> object:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def process(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "console", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_usage_json_is_shaped_as_promised(data: Path) -> None:
    found = document("usage", "--since", "1m", "--json", "--data", str(data))
    assert isinstance(found, dict)
    assert [part["app"] for part in found["apps"]] == ["steam", "firefox", "sshd"]
    assert set(found["unattributed"]) == {"rx_bytes", "tx_bytes"}
    assert 0 <= found["coverage"] <= 1


def test_usage_table_has_the_remainder_and_the_coverage_as_rows(data: Path) -> None:
    output = invoke("usage", "--by", "pid", "--data", str(data)).stdout
    assert "(unattributed)" in output
    assert "(coverage 90.0 %)" in output
    assert "101" in output


def test_query_json_is_a_list_of_rows_with_time(data: Path) -> None:
    rows = document(
        "query", "app_traffic", "--where", "app=steam", "--every", "1h", "--format", "json", "--data", str(data)
    )
    assert isinstance(rows, list)
    assert {"time", "host", "app", "rx_bytes"} <= set(rows[0])
    assert rows[0]["time"].endswith("Z")
    assert sum(row["rx_bytes"] for row in rows) == 120 * 9_000


def test_query_csv_reads_back(data: Path) -> None:
    output = invoke("query", "probe", "--limit", "3", "--format", "csv", "--data", str(data)).stdout
    rows = list(csv.DictReader(io.StringIO(output)))
    assert len(rows) == 3
    assert rows[-1]["target"] == "8.8.8.8"


def test_top_json_reads_the_present_and_does_not_start_a_second_collector(data: Path) -> None:
    with SqliteStore(data / "autoqos.db") as store:
        store.set_state("live", live_document(time.time_ns()))
    found = document("top", "--json", "--data", str(data))
    assert isinstance(found, dict)
    assert [row["app"] for row in found["apps"]] == ["steam", "firefox", "sshd"]
    assert found["coverage"] == 0.98
    assert found["probes"][1]["reason"] == "timeout"
    with SqliteStore(data / "autoqos.db") as store:
        store.set_state("live", live_document(time.time_ns()))
    by_pid = document("top", "--by", "pid", "--json", "--data", str(data))
    assert isinstance(by_pid, dict)
    assert by_pid["processes"][0]["pid"] == 101


def test_top_once_prints_the_table_with_the_mark_of_background_processes(data: Path) -> None:
    with SqliteStore(data / "autoqos.db") as store:
        store.set_state("live", live_document(time.time_ns()))
    output = invoke("top", "--once", "--data", str(data)).stdout
    assert "◦ sshd" in output
    assert "(unattributed)" in output
    assert "8.8.8.8 12.3 ms loss 0%" in output
    assert "not seen: the traffic inside containers" in output


def test_status_of_nothing_says_so_and_succeeds(tmp_path: Path) -> None:
    result = invoke("status", "--data", str(tmp_path / "none"))
    assert result.exit_code == 0
    assert "AutoQoS is not running" in result.stdout
    assert not (tmp_path / "none").exists()
    found = document("status", "--json", "--data", str(tmp_path / "none"))
    assert isinstance(found, dict)
    assert found["running"] is False
    assert found["parts"] == []


def test_settings_by_hand_are_kept_for_the_enforcer(tmp_path: Path) -> None:
    data = str(tmp_path)
    assert invoke("set", "Steam", "5", "--data", data).exit_code == 0
    result = invoke("limit", "Steam", "--down", "2mbit", "--up", "500kbit", "--for", "2h", "--data", data)
    assert "no enforcer is running" in result.stdout
    with SqliteStore(tmp_path / "autoqos.db") as store:
        kept = store.get_state("override:app:Steam")
    assert kept is not None
    assert (kept["priority"], kept["down_bps"], kept["up_bps"]) == (5, 2_000_000, 500_000)
    assert kept["until_ns"] - kept["set_ns"] == pytest.approx(7200 * S, abs=10 * S)
    invoke("unlimit", "Steam", "--data", data)
    invoke("unset", "Steam", "--data", data)
    with SqliteStore(tmp_path / "autoqos.db") as store:
        assert store.states("override:") == {}


def test_pause_and_resume_are_kept_for_the_enforcer(tmp_path: Path) -> None:
    invoke("pause", "--for", "30m", "--data", str(tmp_path))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        kept = store.get_state("override:pause")
    assert kept is not None
    assert kept["until_ns"] - kept["set_ns"] == pytest.approx(1800 * S, abs=10 * S)
    invoke("resume", "--data", str(tmp_path))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        assert store.get_state("override:pause") is None


def test_apps_json_lists_what_the_collector_sees(data: Path) -> None:
    found = document("apps", "--json", "--data", str(data))
    assert isinstance(found, dict)
    assert {row["app"] for row in found["apps"]} == {"steam", "firefox", "sshd"}


def test_why_guesses_what_was_meant(data: Path) -> None:
    result = invoke("why", "firefx", "--data", str(data))
    assert result.exit_code == 0
    assert "did you mean firefox?" in result.stderr


def test_clear_log_empties_the_resource_log_and_nothing_else(data: Path) -> None:
    assert "360 rows removed" in invoke("clear-log", "--data", str(data)).stdout
    with SqliteStore(data / "autoqos.db") as store:
        store.maintain(time.time_ns())
        assert store.read("app_resources")["time_ns"] == []
        assert store.read("app_resources", every_ns=3600 * S)["time_ns"] == []
        assert len(store.read("app_traffic")["time_ns"]) == 360


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("query", "nope"), "app_traffic"),
        (("query", "probe", "--since", "yesterday"), "--since"),
        (("query", "probe", "--since", "1h", "--until", "2h"), "--until"),
        (("query", "probe", "--every", "0s"), "--every"),
        (("query", "probe", "--from", "influxdb"), "influxdb"),
        (("limit", "x"), "--down"),
        (("limit", "x", "--down", "2"), "--down"),
        (("limit", "x", "--down", "0mbit"), "unlimit"),
        (("report", "--since", "1s"), "no application measured"),
        (("report", "--app", "nosuch*"), "nosuch*"),
    ],
)
def test_what_the_user_can_mend_is_one_line(data: Path, arguments: tuple[str, ...], word: str) -> None:
    result = invoke(*arguments, "--data", str(data))
    assert isinstance(result.exception, ConfigError)
    assert len(result.exception.lines) == 1
    assert word in result.exception.lines[0]


def test_errors_are_lines_on_standard_error_and_exit_status_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("interval: soon\nno_such: 1\napps: [{match: x, priority: 9}]\n")
    result = process("check", "--config", str(bad))
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"autoqos: {bad}: ") for line in lines)
    assert [word for word in ("interval", "no_such", "apps[0].priority") if word in result.stderr] == [
        "interval",
        "no_such",
        "apps[0].priority",
    ]


def test_check_reads_schedules_too(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("apps: [{match: x, priority: 5, schedule: someday}]\n")
    result = process("check", "--config", str(bad))
    assert result.returncode == 2
    assert "apps[0].schedule" in result.stderr
    assert process("check", "--config", str(ROOT / "config.yaml")).returncode == 0


def test_reading_without_data_says_what_to_start_and_makes_nothing(tmp_path: Path) -> None:
    result = process("usage", "--data", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "autoqos up" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_part_refuses_a_second_instance_with_one_line(tmp_path: Path) -> None:
    from qos.service import instance_lock

    with instance_lock(tmp_path, "collector"):
        result = process("collector", "--data", str(tmp_path))
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"PID {os.getpid()}" in result.stderr


def test_a_closed_pipe_ends_quietly(data: Path) -> None:
    command = [sys.executable, "-m", "console", "query", "process_traffic", "--format", "csv", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(13) == b"time,app,pid,"
        running.stdout.close()  # the reader has seen enough
        assert running.stderr.read() == b""
        assert running.wait(60) == 0


@pytest.mark.parametrize("encoding", ["cp850", "cp1252", "ascii"])
def test_a_redirected_table_keeps_its_signs_as_letters_in_a_legacy_code_page(tmp_path: Path, encoding: str) -> None:
    now_ns = time.time_ns()  # an interval of a minute: the tick is the present, however long a program takes to start
    data = fill(tmp_path / "data", now_ns, 2, live_document(now_ns, interval_ns=60 * S))
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "console", "top", "--once", "--data", str(data)]
    result = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, env=environment)
    text = result.stdout.decode(encoding)
    assert (result.returncode, result.stderr) == (0, b"")
    assert "v bit/s" in text
    assert "^ bit/s" in text
    assert "?" not in text.replace("coverage ?", "")


@pytest.mark.parametrize("encoding", ["cp437", "cp1252"])
def test_redirected_csv_keeps_every_name_whatever_the_code_page(tmp_path: Path, encoding: str) -> None:
    now_ns = time.time_ns()
    data = fill(tmp_path / "data", now_ns, 2)
    with SqliteStore(data / "autoqos.db") as store:
        store.write([dataclasses.replace(one, app="Игра") for one in points(now_ns, 2) if isinstance(one, AppTraffic)])
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "console", "query", "app_traffic", "--format", "csv", "--data", str(data)]
    result = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, env=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    assert "Игра" in {row["app"] for row in csv.DictReader(io.StringIO(result.stdout.decode("utf-8")))}


def test_asking_for_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom console.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'textual', 'influxdb_client', 'tensorflow', 'pydivert'}\n"
        "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert result.returncode == 0, result.stderr
    for command in (
        "up",
        "top",
        "usage",
        "query",
        "status",
        "report",
        "clear-log",
        "check",
        "forecast",
        "backtest",
        "stack",
    ):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("part", ["up", "collector", "enforcer"])
def test_a_plain_part_does_not_load_the_command_lines_libraries(part: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    code = (
        "import sys\nfrom console.cli import main\n"
        f"try:\n    main([{part!r}, '--config', {str(missing)!r}])\n"
        "except SystemExit as end:\n    assert end.code == 2\n"
        "assert 'typer' not in sys.modules and 'rich' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "no such file" in result.stderr


def test_a_wrong_option_of_a_part_is_explained_by_the_parser() -> None:
    result = process("collector", "--nope")
    assert result.returncode == 2
    assert "--nope" in result.stderr


def test_the_shell_takes_a_name_and_a_priority_as_the_original_did(data: Path) -> None:
    result = invoke("shell", "--data", str(data), text="Steam\n5\nfirefox\nDEFAULT\nsshd\n7\nclear_log\nexit\n")
    assert result.exit_code == 0, result.output
    assert "steam: priority 5 (background)" in result.stdout
    assert "firefox: priority is automatic again" in result.stdout
    assert "'7' is no priority" in result.stdout
    assert "360 rows removed" in result.stdout
    with SqliteStore(data / "autoqos.db") as store:
        assert list(store.states("override:app:")) == ["override:app:steam"]


def test_the_end_of_input_leaves_the_shell(data: Path) -> None:
    assert invoke("shell", "--data", str(data), text="steam\n").exit_code == 0


def test_the_report_is_a_picture_1200_pixels_wide(data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    result = invoke("report", "-o", str(picture), "--since", "5m", "--data", str(data))
    assert result.exit_code == 0, result.output
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20], "big") == 1200
    assert "steam" in result.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_report_that_cannot_be_written_says_so(data: Path, tmp_path: Path) -> None:
    result = invoke("report", "-o", str(tmp_path / "none" / "x.png"), "--since", "5m", "--data", str(data))
    assert isinstance(result.exception, ConfigError)
    assert "-o" in result.exception.lines[0]
