"""The live window, driven by Textual's pilot over a real store."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from console.commands.context import Context
from console.tui.feed import LiveFeed
from console.tui.top import TopApp
from console.tui.top_screens import HelpScreen, LimitScreen
from qos.contract.config import Config
from qos.contract.documents.live import By
from qos.store.sqlite.store import SqliteStore
from tests.console.samples import S, live_document


@pytest.fixture
def data(tmp_path: Path) -> Path:
    show(tmp_path)
    return tmp_path


def show(data: Path, **changes: Any) -> None:
    with SqliteStore(data / "autoqos.db") as store:
        store.set_state("live", live_document(time.time_ns(), **changes))


def kept(data: Path, key: str) -> Any:
    with SqliteStore(data / "autoqos.db") as store:
        return store.get_state(key)


def window(data: Path, by: By = "app") -> TopApp:
    return TopApp(LiveFeed(Context(Config(), None, data), None), by)


def names(app: TopApp) -> list[str]:
    table = app.table
    return [table.get_row_at(index)[1].plain.strip() for index in range(table.row_count)]


def text(app: TopApp, place: str) -> str:
    return str(app.query_one(f"#{place}", Static).render())


async def until(pilot: "Pilot[None]", holds: Callable[[], bool]) -> None:
    """Wait for an effect that takes the window a moment."""
    for _ in range(200):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError("it never came true")


async def test_the_table_shows_applications_by_bytes_received_with_marks_and_the_rest(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)):
        assert names(app) == ["steam", "firefox", "◦ sshd", "(unattributed)"]
        assert "coverage 98.0 %" in text(app, "head")
        assert "1.1.1.1 timeout loss 100%" in text(app, "head")
        assert "not seen: the traffic inside containers" in text(app, "head")


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (200, 50)])
async def test_nothing_is_wider_than_the_window(data: Path, size: tuple[int, int]) -> None:
    app = window(data)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert app.table.virtual_size.width <= size[0]
        assert all(len(line) <= size[0] for line in text(app, "head").splitlines())
        assert app.table.size.height >= 5


async def test_the_cursor_stays_with_its_application_while_the_order_changes(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down")
        assert app.chosen is not None
        assert app.chosen.app == "firefox"
        apps = live_document(0)["apps"]
        apps[0] = apps[0] | {"rx_bytes": 10**9}
        show(data, apps=apps)
        await app.repaint()
        await pilot.pause()
        assert names(app)[0] == "firefox"
        assert app.chosen.app == "firefox"


async def test_setting_a_level_keeps_the_cursor_on_that_application_from_then_on(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        apps = live_document(0)["apps"]
        apps[0] = apps[0] | {"rx_bytes": 10**9}
        show(data, apps=apps)
        await app.repaint()
        await pilot.press("4")
        assert kept(data, "override:app:steam")["priority"] == 4
        assert kept(data, "override:app:firefox") is None


async def test_applications_that_come_and_go_are_rows_that_come_and_go(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)):
        show(data, apps=live_document(0)["apps"][:1])
        await app.repaint()
        assert names(app) == ["firefox", "(unattributed)"]
        show(data)
        await app.repaint()
        assert len(names(app)) == 4


async def test_a_number_key_sets_the_chosen_applications_priority_and_d_takes_it_back(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        assert kept(data, "override:app:steam")["priority"] == 5
        await until(pilot, lambda: "by hand: priority 5" in text(app, "detail"))
        assert "no enforcer is running" in text(app, "detail")
        await pilot.press("down", "0")
        assert kept(data, "override:app:firefox")["priority"] == 0
        await pilot.press("up", "d")
        assert kept(data, "override:app:steam") is None


async def test_l_asks_for_rates_until_they_can_be_read(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("l")
        assert isinstance(app.screen, LimitScreen)
        app.screen.query_one("#down", Input).value = "2"
        await pilot.press("enter")
        assert isinstance(app.screen, LimitScreen)
        assert "is not a rate" in str(app.screen.query_one("#problem", Static).render())
        app.screen.query_one("#down", Input).value = "2mbit"
        app.screen.query_one("#span", Input).value = "2h"
        await pilot.press("enter")
        await pilot.pause()
        found = kept(data, "override:app:steam")
        assert (found["down_bps"], found["up_bps"]) == (2_000_000, None)
        assert found["until_ns"] - found["set_ns"] == pytest.approx(7200 * S, abs=5 * S)


async def test_letters_in_the_question_for_rates_are_letters(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("l", "q", "5", "p", "d")
        assert isinstance(app.screen, LimitScreen)
        assert app.screen.query_one("#down", Input).value == "q5pd"
        await pilot.press("escape")
        assert not isinstance(app.screen, LimitScreen)
        assert kept(data, "override:pause") is None
        assert kept(data, "override:app:steam") is None


async def test_emptied_rates_lift_the_limit(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5", "l", *"1500kbit", "enter")
        await until(pilot, lambda: "down 1.5 Mbit/s" in text(app, "detail"))
        assert kept(data, "override:app:steam")["down_bps"] == 1_500_000
        await app.repaint()
        await pilot.press("l")
        assert isinstance(app.screen, LimitScreen)
        assert app.screen.query_one("#down", Input).value == "1500kbit"
        app.screen.query_one("#down", Input).value = ""
        await pilot.press("enter")
        await pilot.pause()
        assert kept(data, "override:app:steam")["priority"] == 5
        assert kept(data, "override:app:steam")["down_bps"] is None


@pytest.mark.parametrize(
    ("fields", "words", "at_fault"),
    [
        ({}, "no rate given", "down"),
        ({"span": "2h"}, "no rate given", "down"),
        ({"down": "2mbit", "span": "soon"}, "for how long: 'soon' is not a duration", "span"),
        ({"down": "2mbit", "span": "0s"}, "for how long: must be more than zero", "span"),
        ({"down": "2mbit", "up": "1"}, "up: '1' is not a rate", "up"),
        ({"down": "0mbit"}, "down: a rate must be more than zero", "down"),
        ({"down": "9" * 5000 + "mbit"}, "down: ", "down"),
    ],
)
async def test_what_cannot_be_set_is_said_and_the_question_stays(
    data: Path, fields: dict[str, str], words: str, at_fault: str
) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("l")
        for name, value in fields.items():
            app.screen.query_one(f"#{name}", Input).value = value
        await pilot.press("enter")
        assert isinstance(app.screen, LimitScreen)
        assert words in str(app.screen.query_one("#problem", Static).render())
        assert app.screen.focused is app.screen.query_one(f"#{at_fault}", Input)
        assert kept(data, "override:app:steam") is None
        await pilot.press("escape")
        assert not isinstance(app.screen, LimitScreen)


async def test_p_pauses_and_resumes_the_enforcer(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p")
        assert kept(data, "override:pause") is not None
        await until(pilot, lambda: "PAUSED" in text(app, "head"))
        await pilot.press("p")
        assert kept(data, "override:pause") is None


async def test_help_opens_and_closes(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_b_changes_between_applications_and_processes(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("b")
        assert app.table.get_row_at(0)[0].plain.strip() == "101"
        await pilot.press("b")
        assert names(app)[0] == "steam"


async def test_r_writes_the_report_or_says_why_not(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await until(pilot, lambda: len(app._notifications) > 0)
        assert any("no application measured" in note.message for note in app._notifications)


async def test_it_is_said_when_the_collector_stops(data: Path) -> None:
    app = window(data)
    async with app.run_test(size=(80, 24)) as pilot:
        with SqliteStore(data / "autoqos.db") as store:
            store.set_state("live", live_document(time.time_ns() - 60 * S))
        await app.repaint()
        assert "no collector is running" in text(app, "head")
        assert names(app) == []
        await pilot.press("5")
        assert kept(data, "override:app:steam") is None
        show(data)
        await app.repaint()
        assert len(names(app)) == 4


async def test_thousands_of_processes_are_shown_with_the_number_of_those_that_are_not(data: Path) -> None:
    row = live_document(0)["processes"][0]
    show(data, processes=[row | {"pid": pid, "rx_bytes": pid} for pid in range(5_000)])
    app = window(data, "pid")
    async with app.run_test(size=(80, 24)):
        assert app.table.row_count == 302
        assert "4700 more" in names(app)[300]


async def test_a_name_with_an_escape_sequence_does_no_harm(data: Path) -> None:
    apps = live_document(0)["apps"]
    apps[1] = apps[1] | {"app": "[red]x\x1b[2J"}
    show(data, apps=apps)
    app = window(data)
    async with app.run_test(size=(80, 24)):
        assert names(app)[0] == "[red]x�[2J"
