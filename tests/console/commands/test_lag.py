"""``autoqos lag`` on a day with known incidents: the list, one of them drawn, the summary, JSON."""

import json
import random
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.commands.app import app
from qos.contract.errors import ConfigError
from qos.contract.points import AppTraffic, LagIncident, Point, Probe
from qos.store.sqlite.store import SqliteStore

S = 10**9
MINUTES = 24 * 60


def incident(time_ns: int, **changes: object) -> LagIncident:
    given = {
        "duration_s": 88.0,
        "extra_ms": 180.4,
        "loss_ratio": 0.0,
        "cause": "application",
        "app": "steam",
        "direction": "down",
        "share_ratio": 0.91,
        "confidence": 0.95,
        "running": 0,
        "evidence": "steam began 2 s earlier and took 91% of the download (18.2 Mbit/s); the link stood at 97% of "
        "its setting; it ended when that stopped. High confidence.",
    }
    return LagIncident(time_ns=time_ns, host="pc", **(given | changes))  # type: ignore[arg-type]  # by name


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A day of one row a second for a target and an application, and an incident every half an hour."""
    now_ns = time.time_ns()
    draw = random.Random(1)
    rows: list[Point] = []
    for ago in range(MINUTES, 0, -30):
        start_ns = now_ns - ago * 60 * S
        ours = ago % 60 == 0
        rows.append(
            incident(start_ns)
            if ours
            else incident(start_ns, cause="others", app=None, direction=None, share_ratio=None, confidence=0.7,
                          extra_ms=0.0, loss_ratio=0.24, evidence="everything behind the gateway suffered.")
        )  # fmt: skip
    for second in range(-60, 150):
        at_ns = now_ns - MINUTES * 60 * S + second * S
        slow = 0 <= second < 88
        for target in ("8.8.8.8", "gateway"):
            lost = slow and draw.random() < 0.05 and target != "gateway"
            ms = 2.0 if target == "gateway" else 14 + draw.random() * 3 + (180 if slow else 0)
            rows.append(
                Probe(time_ns=at_ns + 1, host="pc", target=target, ok=int(not lost), rtt_ms=None if lost else ms,
                      loss_ratio=0.0, sent=1, received=int(not lost))
            )  # fmt: skip
        for name, size in (("steam", 2_300_000 if slow else 0), ("zoom", 40_000)):
            if size:
                rows.append(
                    AppTraffic(time_ns=at_ns, host="pc", app=name, rx_bytes=size, tx_bytes=size // 50,
                               rx_packets=1, tx_packets=1, flows=1, processes=1, priority=3)
                )  # fmt: skip
    folder = tmp_path / "data"
    folder.mkdir()
    with SqliteStore(folder / "autoqos.db") as store:
        store.write(rows)
    return folder


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["lag", *arguments])


def test_the_list_says_when_how_bad_who_and_how_sure_in_100_columns(data: Path) -> None:
    result = invoke("--since", "25h", "--data", str(data))
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "88 s, +180 ms: steam, download" in result.stdout
    assert "24% lost: another device or the provider" in result.stdout
    assert "steam began 2 s earlier and took 91% of the download" in result.stdout


def test_json_has_every_incident_and_show_finds_one_by_its_id(data: Path) -> None:
    found = json.loads(invoke("--json", "--since", "25h", "--data", str(data)).stdout)
    assert len(found) == 48
    assert (found[0]["cause"], found[0]["app"], found[0]["sure"], found[1]["app"]) == (
        "application", "steam", "high", None,
    )  # fmt: skip
    drawn = invoke("show", found[0]["id"], "--data", str(data))
    assert drawn.exit_code == 0, drawn.output
    assert "round trips, ms" in drawn.stdout
    assert "▶steam" in drawn.stdout
    assert max(map(len, drawn.stdout.splitlines())) <= 100


def test_show_writes_a_picture(data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "lag.png"
    first = json.loads(invoke("--json", "--since", "25h", "--data", str(data)).stdout)[0]["id"]
    assert invoke("show", first, "--png", str(picture), "--data", str(data)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_summary_counts_minutes_and_evenings(data: Path) -> None:
    found = json.loads(invoke("--by", "cause", "--json", "--since", "25h", "--data", str(data)).stdout)
    assert [(row["cause"], row["app"], row["incidents"]) for row in found] == [
        ("application", "steam", 24), ("others", None, 24),
    ]  # fmt: skip
    assert found[0]["minutes"] == pytest.approx(24 * 88 / 60, abs=0.1)
    assert 1 <= found[0]["of_evenings"] <= 2
    text = invoke("--by", "cause", "--since", "25h", "--data", str(data)).stdout
    assert "steam" in text
    assert "another device or the provider" in text


def test_an_unknown_id_says_which_there_are(data: Path) -> None:
    result = invoke("show", "nope", "--data", str(data))
    assert isinstance(result.exception, ConfigError)
    assert "no incident 'nope'; there are" in str(result.exception)
    assert isinstance(invoke("play", "--data", str(data)).exception, ConfigError)


def test_no_lag_is_said_in_one_line(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db"):
        pass
    assert invoke("--data", str(tmp_path)).stdout == "no lag since 24h\n"
