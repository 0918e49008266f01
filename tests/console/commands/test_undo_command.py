"""``autoqos undo`` as a process over a real store: what was done by hand goes back, once, unless changed since."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qos.store.sqlite.store import SqliteStore
from tests.windows.wine_lacks import under_wine

ROOT = Path(__file__).parents[3]


class Terminal:
    """Somebody's terminal: one data folder, one ``config.yaml``."""

    def __init__(self, folder: Path) -> None:
        self.config, self.data = folder / "config.yaml", folder / "data"
        if under_wine():  # there a new folder belongs to a made-up user, and an elevated command refuses it
            self.data.mkdir()
        self.config.write_text("# kept\nmode: observe  # and this\nforecast: {enabled: false}\n")

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        where = ["--config", str(self.config), "--data", str(self.data)]
        return subprocess.run(
            [sys.executable, "-P", "-m", "console", *arguments, *where],
            capture_output=True, text=True, encoding="utf-8", timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def say(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def actions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.say("undo", "--list", "--json"))["actions"]
        return found

    def state(self, key: str) -> Any:
        with SqliteStore(self.data / "autoqos.db", read_only=True) as store:
            return store.get_state(key)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_the_newest_act_is_undone_then_the_one_before(terminal: Terminal) -> None:
    terminal.say("limit", "steam", "--down", "4mbit")
    terminal.say("limit", "steam", "--down", "2mbit", "--for", "2h")
    assert terminal.state("override:app:steam")["down_bps"] == 2_000_000
    assert "undone" in terminal.say("undo")
    limit = terminal.state("override:app:steam")
    assert (limit["down_bps"], limit.get("until_ns")) == (4_000_000, None)
    assert "undone" in terminal.say("undo")
    assert terminal.state("override:app:steam") is None
    assert [action["undone"] for action in terminal.actions()] == [True, True]


def test_one_act_is_chosen_by_its_number_and_no_other_is_touched(terminal: Terminal) -> None:
    terminal.say("limit", "steam", "--down", "4mbit")
    terminal.say("pause", "--for", "1h")
    paused, limited = terminal.actions()
    assert "steam" in limited["said"]
    terminal.say("undo", str(limited["id"]))
    assert terminal.state("override:app:steam") is None
    assert terminal.state("override:pause") is not None
    listed = terminal.say("undo", "--list")
    assert str(paused["id"]) in listed
    assert "from the terminal" in listed


def test_what_was_changed_since_stays_and_one_line_says_so(terminal: Terminal) -> None:
    terminal.say("limit", "steam", "--down", "4mbit")
    first = terminal.actions()[0]
    terminal.say("limit", "steam", "--down", "2mbit")
    done = terminal.run("undo", str(first["id"]))
    assert done.returncode == 2
    assert done.stderr.startswith("autoqos: ")
    assert "changed since" in done.stderr
    assert done.stderr.count("\n") == 1
    assert terminal.state("override:app:steam")["down_bps"] == 2_000_000


def test_nothing_to_undo_is_said_and_a_number_that_is_not_there_is_an_error(terminal: Terminal) -> None:
    terminal.say("pause", "--for", "1h")
    terminal.say("undo")
    assert "nothing to undo" in terminal.say("undo")
    done = terminal.run("undo", "12345")
    assert done.returncode == 2
    assert done.stderr == "autoqos: undo: there is no action 12345: `autoqos undo --list` shows them\n"


def test_the_output_for_scripts_is_json(terminal: Terminal) -> None:
    terminal.say("limit", "steam", "--down", "4mbit")
    said = json.loads(terminal.say("undo", "--json"))["said"]
    assert any("undone" in line for line in said)
