"""The list, and when enforcement rests."""

import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.game_mode.names import RESUME_NS, GameList, GameMode, parse
from enforcer.game_mode.watch import LOOK_NS, GameWatch, shipped_list

S = 10**9


def test_the_shipped_list_names_programs_and_says_where_each_is_from() -> None:
    lines = [line for line in shipped_list().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) >= 10
    for line in lines:
        assert "[" in line.partition("#")[2], f"no source: {line}"
    games = parse(shipped_list())
    assert games.first(["explorer.exe", "EasyAntiCheat.exe"]) == "EasyAntiCheat.exe"
    assert games.first(["chrome.exe", "vgtray.exe", "steam.exe", "System"]) is None


def test_ones_own_list_adds_and_takes_out() -> None:
    games = parse("a.exe # x\nb.exe\n", "# mine\n My*Game.EXE \n- a.exe\n-  never.exe\n")
    assert games == GameList(("b.exe", "my*game.exe"))
    assert games.first(["MyNewGame.exe"]) == "MyNewGame.exe"


def test_enforcement_comes_back_some_seconds_after_the_last_game_ended() -> None:
    mode = GameMode(parse("game.exe"))
    assert mode.look(0, ["explorer.exe"]) is None
    assert mode.look(1 * S, ["GAME.exe"]) == "GAME.exe"
    assert mode.look(3 * S, []) == "GAME.exe"
    assert mode.look(1 * S + RESUME_NS, []) is None


@given(st.lists(st.booleans(), max_size=40))
def test_while_a_game_runs_it_always_rests(seen: list[bool]) -> None:
    mode = GameMode(parse("g.exe"))
    for n, runs in enumerate(seen):
        playing = mode.look(n * 2 * S, ["g.exe"] if runs else [])
        recently = any(seen[max(0, n - 2) : n + 1])
        assert (playing is not None) == recently


def test_the_watch_looks_now_and_then_and_follows_the_users_file(tmp_path: Path) -> None:
    running = ["mine.exe"]
    watch = GameWatch(tmp_path / "config.yaml", running=lambda: running)
    assert watch.playing(0, "on") is None
    (tmp_path / "games.txt").write_text("mine.exe", encoding="utf-8")
    assert watch.playing(LOOK_NS - 1, "on") is None
    assert watch.playing(LOOK_NS, "on") == "mine.exe"
    assert watch.playing(LOOK_NS, "off") is None
    assert (watch.playing(LOOK_NS, "auto") is not None) == (sys.platform == "win32")


def test_the_running_programs_are_really_read(tmp_path: Path) -> None:
    me = psutil.Process().name()
    if not me:
        pytest.skip("this process has no name that psutil can read")
    (tmp_path / "games.txt").write_text(me, encoding="utf-8")
    assert GameWatch(tmp_path / "config.yaml").playing(0, "on") == me
