"""What is done by hand from anywhere is kept with who and the inverse, told as an event, and undone unless changed."""

import sys
from pathlib import Path

import pytest

from console.commands.context import Context
from console.steering import action_log, overrides
from console.steering.actions import Steering
from console.steering.mode import change_mode, set_mode
from console.steering.undoable import ChangedSinceError, Hand
from qos.contract.config import parse_config
from qos.contract.documents.mode import ModeOverride
from qos.contract.errors import ConfigError
from qos.contract.points import Event
from qos.store.sqlite.store import SqliteStore
from tests.fakes import MemoryStore

S = 10**9


def test_an_act_is_kept_with_who_and_told_with_its_inverse() -> None:
    store = MemoryStore()
    action = Hand(store, "laptop", "terminal", 5 * S).act("priority", "steam", {"priority": 5}, "steam: priority 5")
    assert action is not None
    assert [entry.client for entry in action_log.recent(store)] == ["terminal"]
    event = store.points[-1]
    assert isinstance(event, Event)
    assert (event.part, event.kind, event.subject) == ("terminal", "action", "steam")
    assert event.message == "steam: priority 5 (from the terminal; undo: priority automatic)"


def test_the_page_undoes_what_the_terminal_did_and_says_who() -> None:
    store = MemoryStore()
    Hand(store, "laptop", "terminal", 1 * S).act("limit", "steam", _limit(2_000_000), "steam: at most down 2.0 Mbit/s")
    action = action_log.recent(store)[0]
    Hand(store, "laptop", "page", 2 * S).undo(action, None)
    assert overrides.read_override(store, "steam", 3 * S).empty
    event = store.points[-1]
    assert isinstance(event, Event)
    assert event.message == "undone: steam: at most down 2.0 Mbit/s (from the page; now: no limit by hand)"
    assert action_log.recent(store)[0].undone


def test_what_was_changed_since_is_not_undone() -> None:
    store = MemoryStore()
    first = Hand(store, "laptop", "terminal", 1 * S).act("priority", "steam", {"priority": 5}, "5")
    Hand(store, "laptop", "api", 2 * S).act("priority", "steam", {"priority": 1}, "1")
    assert first is not None
    with pytest.raises(ChangedSinceError, match="steam was changed since"):
        Hand(store, "laptop", "page", 3 * S).undo(first, None)
    assert overrides.read_override(store, "steam", 4 * S).priority == 1


def test_what_is_so_already_is_no_act() -> None:
    store = MemoryStore()
    assert Hand(store, "laptop", "page", 1).act("pause", "enforcer", {"paused": False, "until_ns": None}, "") is None
    assert action_log.recent(store) == []
    assert store.points == []


@pytest.mark.skipif(sys.platform == "win32", reason="compares modes of POSIX files")
def test_a_mode_in_the_file_is_undone_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = "\ufeff# mine\r\nmode: observe # off\r\n"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    store = MemoryStore()
    context = Context(parse_config(text.removeprefix("\ufeff"), "config.yaml"), path, tmp_path)
    _, action = change_mode(context, Hand(store, "laptop", "terminal", 1 * S), "enforce")
    assert action is not None
    assert "mode: enforce # off\r\n" in path.read_bytes().decode()
    Hand(store, "laptop", "page", 2 * S).undo(action, path)
    assert path.read_bytes() == text.encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_mode_without_a_file_is_kept_in_the_store_and_undone(tmp_path: Path) -> None:
    store = MemoryStore()
    context = Context(parse_config("", "config.yaml"), None, tmp_path)
    lines, action = change_mode(context, Hand(store, "laptop", "page", 1 * S), "dry_run")
    assert action is not None
    assert "there is no config.yaml" in lines[0]
    kept = ModeOverride.parse(store.get_state(ModeOverride.KEY))
    assert kept is not None
    assert kept.mode == "dry_run"
    Hand(store, "laptop", "terminal", 2 * S).undo(action, None)
    assert store.get_state(ModeOverride.KEY) is None


def test_commands_act_and_undo_through_the_same_log(tmp_path: Path) -> None:
    context = Context(parse_config("", "config.yaml"), None, tmp_path)
    with Steering(context) as steering:
        steering.priority("steam", 5)
        steering.limit("firefox", 2_000_000, None, None)
        steering.pause(None)
        steering.resume()
    set_mode(context, "dry_run")
    with Steering(context) as steering:
        kinds = [(entry.kind, entry.client) for entry in action_log.recent(steering.store)]
        assert kinds == [(kind, "terminal") for kind in ("mode", "pause", "pause", "limit", "priority")]
        assert steering.undo(None)[:2] == ["undone: mode: dry_run", "now: mode as in the settings"]
        oldest = action_log.recent(steering.store)[-1]
        assert steering.undo(oldest.id)[0] == "undone: steam: priority 5 (background)"
        assert steering.undo(oldest.id)[0].startswith("undone already")
        with pytest.raises(ConfigError, match="there is no action 7"):
            steering.undo(7)
    with SqliteStore(tmp_path / "autoqos.db", read_only=True) as store:
        told = store.read("event", where={"kind": "action"})["message"]
    assert any("firefox: at most down 2.0 Mbit/s (from the terminal; undo: no limit by hand)" in text for text in told)


def _limit(down_bps: int) -> dict[str, int | None]:
    return {"down_bps": down_bps, "up_bps": None, "until_ns": None}
