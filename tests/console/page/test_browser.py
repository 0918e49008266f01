"""The page in a real Chromium over sample measurements: every view, the keyboard, hostile names, narrow and dark."""

import datetime
import os
import signal
import socket
import threading
import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.console.page.conftest import HOSTILE, SamplePage
from tests.console.page.rig import PageProcess, chromium, wait_for, watch

pytestmark = pytest.mark.browser

VIEWS = {
    "": "Applications",
    "timeline": "Limits and events",
    "usage": "Host (all interfaces)",
    "forecast": "host_down",
    "settings": "In force",
    "health": "Done by hand",
    "app/steam": "Priority and limits",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


LOAD_MS = 7000
"""What a machine under load may add to the page's own second or two: several test runs and two browsers at once."""

OWN_PORT = 20_000 + os.getpid() % 12_000
"""Nobody else's: another test run must not take the port between a kill and the restart."""

EXPECTED: set[int] = set()
"""Statuses that the running test provokes: Chromium reports each in its console."""


@pytest.fixture
def page(browser: Browser, sample: SamplePage) -> Iterator[Page]:
    """A page that is logged in and complains about nothing but what the test provokes."""
    EXPECTED.clear()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = context.new_page()
    complaints = watch(found)
    found.goto(sample.login_url())
    expect(found.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
    yield found
    context.close()
    provoked = tuple(f"status of {status} " for status in EXPECTED)
    assert [text for text in complaints if not (provoked and any(words in text for words in provoked))] == []


def go(page: Page, view: str) -> None:
    page.evaluate("view => { location.hash = `#/${view}`; }", view)
    expect(page.locator("#main")).to_contain_text(VIEWS[view], timeout=20_000)


def row(page: Page, app: str) -> Any:
    return page.locator(f"tr[data-app={app}]")


def test_the_overview_shows_who_uses_the_network_how_good_it_is_and_what_comes(page: Page) -> None:
    expect(page.locator("#connection")).to_contain_text("98.0 % named")
    expect(row(page, "steam")).to_contain_text("72.0 k")
    expect(page.locator(".strip")).to_contain_text("8.8.8.8")
    expect(page.locator(".strip")).to_contain_text("timeout")
    expect(page.locator("#main")).to_contain_text("made by steam")
    expect(page.locator("#main")).to_contain_text("18.0 % better than the baseline")
    assert page.locator(".chart canvas").count() >= 2


def test_the_code_leaves_the_address_bar_at_once(page: Page, sample: SamplePage) -> None:
    assert "code" not in page.url
    page.go_back()
    assert sample.api.port  # the server still runs; the former address holds no code
    assert "code" not in page.url
    page.goto(sample.url)
    expect(row(page, "steam")).to_be_visible(timeout=20_000)


def test_a_priority_is_set_told_and_undone(page: Page, sample: SamplePage) -> None:
    row(page, "steam").get_by_label("Priority of steam").select_option("5")
    toast = page.locator("#toast")
    expect(toast).to_contain_text("steam: priority 5 (background)")
    assert sample.state("override:app:steam")["priority"] == 5
    expect(row(page, "steam")).to_contain_text("hand")
    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("undone")
    assert sample.state("override:app:steam") is None


def test_a_limit_with_a_mistyped_rate_is_said_and_the_question_stays(page: Page, sample: SamplePage) -> None:
    EXPECTED.add(422)
    row(page, "firefox").get_by_label("Download limit of firefox").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Download, at most").fill("2")
    dialog.get_by_role("button", name="Set").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is not a rate")
    assert sample.state("override:app:firefox") is None
    dialog.get_by_label("Download, at most").fill("2mbit")
    dialog.get_by_label("For how long").fill("2h")
    dialog.get_by_role("button", name="Set").click()
    expect(dialog).to_have_count(0)
    expect(row(page, "firefox").get_by_label("Download limit of firefox")).to_have_text("2.0 M")
    document = sample.state("override:app:firefox")
    assert document["down_bps"] == 2_000_000
    assert 7000e9 < document["until_ns"] - time.time_ns() < 7201e9
    page.locator("#toast").get_by_role("button", name="Undo").click()
    expect(row(page, "firefox").get_by_label("Download limit of firefox")).to_have_text("—")
    assert sample.state("override:app:firefox") is None


def test_a_limit_and_its_undo_need_no_mouse(page: Page, sample: SamplePage) -> None:
    def tab_to(label: str) -> None:
        for _ in range(150):
            focused = page.evaluate(
                "() => (document.activeElement.ariaLabel || document.activeElement.textContent || '')"
            )
            if label in focused:
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{label} cannot be reached with Tab")

    tab_to("Upload limit of steam")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("1mbit")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("steam: at most up 1.0 Mbit/s")
    assert sample.state("override:app:steam")["up_bps"] == 1_000_000
    page.locator("#main").focus()
    tab_to("Undo")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("undone")
    assert sample.state("override:app:steam") is None
    row(page, "steam").get_by_label("Upload limit of steam").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "Upload limit of steam" in page.evaluate("() => document.activeElement.ariaLabel"), "the focus comes back"


def test_the_chart_is_read_with_arrow_keys_and_as_a_table(page: Page) -> None:
    chart = page.get_by_role("img", name="Traffic by application")
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart-card .readout")).to_contain_text("steam")
    page.keyboard.press("Enter")
    expect(page.locator(".chart-card")).to_contain_text("▼")
    page.locator(".chart-card summary").click()
    expect(page.locator(".chart-card .data-table tbody tr").nth(10)).to_be_attached()  # filled a moment later


def test_brushing_the_chart_says_who_that_was(page: Page) -> None:
    box = page.locator(".chart-card .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 40, steps=5)
    page.mouse.up()
    expect(page.locator(".chart-card .notice")).to_contain_text("steam ▼")


def test_why_and_what_if_explain(page: Page, sample: SamplePage) -> None:
    row(page, "steam").get_by_role("button", name="Why is steam").click()
    expect(page.get_by_role("dialog")).to_contain_text("priority")
    page.keyboard.press("Escape")
    row(page, "steam").get_by_role("button", name="What if steam").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Download, at most").fill("64kbit")
    dialog.get_by_label("Download, at most").press("Tab")
    expect(dialog.locator("tbody")).to_contain_text("steam")
    expect(dialog).to_contain_text("milliseconds is not predicted")
    page.keyboard.press("Escape")
    assert sample.state("override:app:steam") is None


def test_pause_and_resume(page: Page, sample: SamplePage) -> None:
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="for 10 minutes").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert sample.state("override:pause")["until_ns"] > time.time_ns()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert sample.state("override:pause") is None


def test_the_mode_is_changed_in_the_file_with_its_comments(page: Page, sample: SamplePage) -> None:
    old = sample.config.read_text()
    page.get_by_role("button", name="mode:").click()
    page.get_by_role("dialog").get_by_label("dry run").check()
    page.get_by_role("dialog").get_by_role("button", name="Set").click()
    expect(page.locator("#toast")).to_contain_text("mode: dry_run")
    assert "# this comment must survive" in sample.config.read_text()
    expect(page.get_by_role("button", name="mode: dry run")).to_be_visible(timeout=10_000)
    page.locator("#toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("undone")
    assert sample.config.read_text() == old


def test_the_editor_checks_before_it_saves(page: Page, sample: SamplePage) -> None:
    EXPECTED.add(422)
    old = sample.config.read_text()
    go(page, "settings")
    editor = page.get_by_label("config.yaml")
    editor.fill(old + "interval: soon\n")
    expect(page.locator("#main")).to_contain_text("is not a duration")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#main .bad")).to_contain_text("interval")
    assert sample.config.read_text() == old
    editor.fill(old + "interval: 2s\n")
    expect(page.locator("#main")).to_contain_text("good: every key can be read")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toast")).to_contain_text("settings saved")
    assert sample.config.read_text() == old + "interval: 2s\n"
    page.locator("#toast").get_by_role("button", name="Undo").click()
    wait_for(lambda: sample.config.read_text() == old, "the former text")


def test_usage_is_saved_as_csv(page: Page) -> None:
    go(page, "usage")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    assert Path(waiting.value.path()).read_text().startswith("app,rx_bytes")
    assert "://" not in Path(waiting.value.path()).read_text()


def test_the_timeline_zooms_and_shows_lag_and_gaps(page: Page) -> None:
    go(page, "timeline")
    expect(page.locator("#main")).to_contain_text("made by steam")
    before = page.locator("#main h2").first.text_content()
    page.get_by_role("button", name="Zoom in").click()
    expect(page.locator("#main h2").first).not_to_have_text(before or "")
    page.get_by_role("button", name="1 month").click()
    expect(page.locator("#main h2").first).to_contain_text("30 d")


def test_a_hostile_name_is_only_a_name(page: Page) -> None:
    assert page.locator("#main img").count() == 0
    text = page.locator(".apps-card").inner_text()
    assert '<img src=x onerror="alert(1)">' in text
    assert "\u202e" not in page.content()
    assert "a" * 100 not in text
    for name in HOSTILE:
        page.evaluate("name => { location.hash = `#/app/${encodeURIComponent(name)}`; }", name)
        expect(page.locator("#main")).to_contain_text("Priority and limits")
        assert page.locator("#main img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_axe_finds_nothing_serious(page: Page, view: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    go(page, view)
    page.wait_for_timeout(600)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    serious = [
        (violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_page_over_a_server_that_stalls_says_so_and_is_live_again(page: Page, sample: SamplePage) -> None:
    expect(page.locator("#connection")).to_contain_text("live")
    sample.process.process.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator("#connection")).to_contain_text("no connection", timeout=15_000)
    finally:
        sample.process.process.send_signal(signal.SIGCONT)
    expect(page.locator("#connection")).to_contain_text("live", timeout=10_000)


def listens(port: int, since: list[float]) -> None:
    """Puts the time at which something listens on the port into ``since``."""
    while not since:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                since.append(time.monotonic())
        time.sleep(0.01)


def test_a_killed_server_locks_the_page_at_its_return_with_nothing_half_applied(
    browser: Browser, tmp_path: Path
) -> None:
    """Counted from when the new server listens; ``bench/page.py --part restart`` measures the 3 s, quietly."""
    sample = SamplePage(tmp_path, OWN_PORT)
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(sample.login_url())
        expect(row(page, "steam")).to_be_visible(timeout=20_000)
        row(page, "steam").get_by_label("Download limit of steam").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Download, at most").fill("2mbit")
        sample.process.stop(signal.SIGKILL)
        dialog.get_by_role("button", name="Set").click()
        expect(dialog.get_by_role("alert")).to_contain_text("does not answer")
        expect(page.locator("#connection")).to_contain_text("no connection", timeout=15_000)
        since: list[float] = []
        watcher = threading.Thread(target=listens, args=(sample.process.port, since))
        watcher.start()
        again = PageProcess(sample.config, sample.data, sample.process.port)
        try:
            assert again.port == sample.process.port
            expect(page.locator("#main")).to_contain_text("Locked", timeout=3000 + LOAD_MS)
            watcher.join()
            assert time.monotonic() - since[0] < (3000 + LOAD_MS) / 1000
            expect(page.locator("#main")).to_contain_text("autoqos page")
            expect(dialog).to_have_count(0)
            assert sample.state("override:app:steam") is None
            page.get_by_label("Address or code").fill(f"http://127.0.0.1:{again.port}/#code={again.code}")
            page.get_by_role("button", name="Unlock").click()
            expect(row(page, "steam")).to_be_visible(timeout=20_000)
            expect(row(page, "steam").get_by_label("Download limit of steam")).to_have_text("—")
        finally:
            again.stop()
    finally:
        context.close()
        sample.process.stop()


def test_what_was_typed_into_the_settings_outlives_another_view_and_a_lock(browser: Browser, tmp_path: Path) -> None:
    sample = SamplePage(tmp_path, OWN_PORT)
    context = browser.new_context()
    page = context.new_page()
    try:
        page.goto(sample.login_url())
        go(page, "settings")
        typed = sample.config.read_text() + "interval: 2s\n"
        page.get_by_label("config.yaml").fill(typed)
        go(page, "health")
        go(page, "settings")
        expect(page.get_by_label("config.yaml")).to_have_value(typed)
        sample.process.stop(signal.SIGKILL)
        again = PageProcess(sample.config, sample.data, sample.process.port)
        try:
            expect(page.locator("#main")).to_contain_text("Locked", timeout=20_000)
            page.get_by_label("Address or code").fill(again.code)
            page.get_by_role("button", name="Unlock").click()
            expect(page.get_by_label("config.yaml")).to_have_value(typed, timeout=20_000)
            assert "interval" not in sample.config.read_text()
        finally:
            again.stop()
    finally:
        context.close()
        sample.process.stop()


def test_quantities_of_the_settings_have_their_units(page: Page) -> None:
    go(page, "settings")
    values = page.get_by_role("region", name="Settings in force")
    expect(values.get_by_role("row", name="collector.loss_window")).to_contain_text("1m")
    expect(values.get_by_role("row", name="retention.max_size")).to_contain_text("2GB")


def test_an_application_has_one_colour_on_every_view(page: Page) -> None:
    def colour(app: str) -> str | None:
        item = page.locator(".legend li", has_text=app).first
        return item.locator("rect").get_attribute("fill")

    expect(page.locator(".legend li", has_text="steam").first).to_be_visible()
    overview = {app: colour(app) for app in ("steam", "firefox")}
    assert overview["steam"] != overview["firefox"]
    go(page, "timeline")
    expect(page.locator(".legend li", has_text="steam").first).to_be_visible()
    assert {app: colour(app) for app in overview} == overview


def test_rows_of_the_table_are_one_line_high_and_no_limit_breaks(page: Page) -> None:
    heights = page.locator(".apps-card tbody tr", has_text="steam").evaluate_all(
        "rows => rows.map(r => r.offsetHeight)"
    )
    assert heights
    assert max(heights) <= 52
    page.evaluate("document.querySelector('.limit').textContent = '888.8 M'")
    assert page.locator(".limit").first.evaluate("e => e.offsetHeight") <= 40


def test_the_applications_own_view_follows_a_limit_and_keeps_the_keyboard_where_it_was(page: Page) -> None:
    go(page, "app/steam")
    page.get_by_role("button", name="Limit…").click()
    page.get_by_role("dialog").get_by_label("Download, at most").fill("4mbit")
    page.get_by_role("dialog").get_by_role("button", name="Set").click()
    expect(page.get_by_role("button", name="Lift the limit")).to_be_visible(timeout=LOAD_MS)
    expect(page.locator(".reasons")).to_contain_text("4.0 Mbit/s")
    assert page.evaluate("document.activeElement.textContent") == "Limit…"
    page.get_by_role("button", name="Lift the limit").press("Enter")
    expect(page.get_by_role("button", name="Lift the limit")).to_be_hidden(timeout=LOAD_MS)
    assert page.evaluate("document.activeElement.textContent") == "Limit…"


def test_usage_per_day_is_in_days_of_the_person(browser: Browser, sample: SamplePage) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # UTC+14 and UTC-11: never the same day
        context = browser.new_context(timezone_id=zone)
        own = context.new_page()
        own.goto(sample.login_url())
        expect(own.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
        go(own, "app/steam")
        days = own.locator("section", has_text="Usage per day").locator("tbody tr td:first-child")
        expect(days.first).to_be_visible(timeout=LOAD_MS)
        written = datetime.datetime.fromtimestamp(sample.now_ns / 1e9 - 60, zoneinfo.ZoneInfo(zone))
        assert days.first.inner_text() == written.strftime("%Y-%m-%d")
        context.close()


def test_what_a_part_says_is_read_on_a_phone_without_pushing_its_table(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    go(page, "health")
    parts = page.get_by_role("region", name="Parts")
    expect(parts).to_contain_text("http://127.0.0.1:")
    assert parts.evaluate("region => region.scrollWidth - region.clientWidth") <= 0
