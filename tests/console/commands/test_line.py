"""``autoqos enforce`` and ``autoqos link``."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.commands.app import app
from console.steering.mode import FIRST_TIME, with_mode
from console.views.learned_line import told
from qos.contract.config import parse_config
from qos.contract.documents.engine import ControlReport, LineReport
from qos.contract.documents.link_estimates import LearnedCapacity, LinkEstimates
from qos.contract.documents.mode import ModeOverride
from qos.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[3]
M = 1_000_000


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_switching_on_changes_one_word_of_the_file_and_says_what_it_does_the_first_time(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    arguments = ("--config", str(file), "--data", str(tmp_path / "data"))
    first = invoke("enforce", "on", *arguments)
    assert first.exit_code == 0, first.output
    assert all(line in first.stdout for line in FIRST_TIME)
    changed = file.read_text(encoding="utf-8")
    assert parse_config(changed).mode == "enforce"
    different = [(a, b) for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b]
    assert len(different) == 1
    assert different[0][1].partition("#")[2] == different[0][0].partition("#")[2]
    again = invoke("enforce", "dry-run", *arguments)
    assert FIRST_TIME[0] not in again.stdout
    assert parse_config(file.read_text(encoding="utf-8")).mode == "dry_run"
    invoke("enforce", "off", *arguments)
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", "mode: enforce\n"),
        ("# mine\n\nhost: a\n", "# mine\n\nmode: enforce\nhost: a\n"),
        ("mode: 'observe' # why\nhost: a\n", "mode: enforce # why\nhost: a\n"),
        ("host: a\nmode:\n", "host: a\nmode: enforce\n"),
        ("---\nhost: a\n", "---\nmode: enforce\nhost: a\n"),
    ],
)
def test_the_mode_is_written_wherever_it_stands(text: str, changed: str) -> None:
    assert with_mode(text, "enforce") == changed


def test_without_a_file_the_mode_is_kept_beside_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("enforce", "on", "--data", str(tmp_path)).exit_code == 0
    with SqliteStore(tmp_path / "autoqos.db", read_only=True) as store:
        kept = ModeOverride.parse(store.get_state(ModeOverride.KEY))
    assert kept is not None
    assert kept.mode == "enforce"


def test_what_the_line_carries_is_told_with_age_and_certainty() -> None:
    now = 10**18
    known = LinkEstimates("home", {"home": {"down": LearnedCapacity(20 * M, 0.9, now - 300 * 10**9)}})
    lines = told(known, ControlReport(lines={"down": LineReport("hold", 19 * M)}), None, M, now)
    assert lines[0].startswith("down 20.0 Mbit/s learned, sure, last seen 5 min ago")
    assert lines[0].endswith("at most 19.0 Mbit/s of it is used now (hold)")
    assert lines[1].startswith("up   1.0 Mbit/s set in link.up; not learned yet")
    assert "no target answers" in lines[2]


def test_somebody_else_who_fills_the_line_is_told() -> None:
    lines = told(LinkEstimates(), ControlReport(targets_answering=1, others_for_s=8.4), None, None, 10**18)
    assert lines[-1].startswith("somebody else fills the line now")
    assert "8 s" in lines[-1]
    assert "somebody else" not in " ".join(
        told(LinkEstimates(), ControlReport(targets_answering=1), None, None, 10**18)
    )


def test_link_answers_programs_too(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        learned = LearnedCapacity(20 * M, 0.9, time.time_ns())
        store.set_state(LinkEstimates.KEY, LinkEstimates("home", {"home": {"down": learned}}).dump())
    result = invoke("link", "--json", "--data", str(tmp_path))
    assert json.loads(result.stdout)["estimates"]["networks"]["home"]["down"]["bps"] == 20 * M
