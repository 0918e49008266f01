import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.supervisor.status_line import status_lines
from console.views import table_format as views
from console.views.output import plain
from qos.contract.documents.live import Live
from tests.console.samples import S, live_document

NOW = 1_800_000_000 * S


def _live(**changes: object) -> Live:
    live = Live.parse(live_document(NOW, **changes))
    assert live is not None
    return live


@given(st.floats(min_value=0, max_value=9.99e14))
@settings(deadline=None)
def test_rates_fit_their_seven_columns(bps: float) -> None:
    assert len(views.rate(bps)) <= 7


@pytest.mark.parametrize(
    ("bps", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.0 k"), (999_949, "999.9 k"), (999_960, "1.0 M"), (2.5e9, "2.5 G")],
)
def test_rates_change_their_unit_where_the_digits_end(bps: float, text: str) -> None:
    assert views.rate(bps) == text


@given(st.integers(min_value=0, max_value=10**15))
@settings(deadline=None)
def test_megabytes_fit_ten_columns(size: int) -> None:
    assert len(views.megabytes(size)) <= 10


@given(st.text())
@settings(deadline=None)
def test_no_name_of_a_process_reaches_the_terminal_as_a_control_sequence(name: str) -> None:
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in plain(name))


def test_the_escape_that_clears_a_screen_is_shown_as_text() -> None:
    assert plain("\x1b[2Jx") == "�[2Jx"


def test_rows_are_sorted_by_bytes_received() -> None:
    assert [row.app for row in _live().rows("app")] == ["steam", "firefox", "sshd"]
    assert [row.pid for row in _live().rows("pid")] == [101, 100, 102]


def test_background_processes_are_marked_and_nobody_else() -> None:
    names = {row.app: views.application(row, "app") for row in _live().rows("app")}
    assert names["sshd"].startswith(views.BACKGROUND)
    assert not names["firefox"].startswith(views.BACKGROUND)


def test_a_silent_target_is_shown_with_its_reason() -> None:
    assert views.probe_words(_live()) == ("8.8.8.8 12.3 ms loss 0%", "1.1.1.1 timeout loss 100%")


def test_an_old_document_is_not_the_present_and_a_slow_interval_is() -> None:
    assert _live().fresh(NOW + 4 * S)
    assert not _live().fresh(NOW + 6 * S)
    assert _live(interval_ns=60 * S).fresh(NOW + 100 * S)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"time_ns": "now"}])
def test_what_is_no_live_document_reads_as_none(document: object) -> None:
    assert Live.parse(document) is None


def test_a_sparse_document_reads_as_nothing_measured() -> None:
    live = Live.parse({"time_ns": NOW})
    assert live is not None
    assert live.rows("app") == ()
    assert live.coverage is None
    assert views.headline(live)[0].endswith("coverage ?")


@given(st.integers(min_value=20, max_value=200), st.lists(st.text(min_size=1, max_size=60), max_size=9))
@settings(deadline=None)
def test_wrapped_words_stay_inside_the_width(width: int, words: list[str]) -> None:
    assert all(len(line) <= width for line in views.wrap(words, width))


@given(st.integers(min_value=20, max_value=120), st.lists(st.text(min_size=1, max_size=90), max_size=5))
@settings(deadline=None)
def test_what_is_not_seen_takes_two_lines_at_most(width: int, blind: list[str]) -> None:
    lines = views.blind_words(dataclasses.replace(_live(), blind_to=tuple(blind)), width)
    assert len(lines) <= 2
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_status_line_of_up_fits_the_terminal(width: int) -> None:
    lines = status_lines(_live(), {"collector": "running", "enforcer": "waiting"}, NOW, width)
    assert all(len(line) <= width for line in lines)
    if width >= 80:
        assert "coverage 98.0 %" in lines[0]
        assert "8.8.8.8 12.3 ms" in lines[0]
        assert re.search(r"top: steam ▼ [\d.]+ [kM]?bit/s ▲ [\d.]+ [kM]?bit/s", lines[1])
        assert "enforcer waiting" in lines[1]


def test_the_status_line_says_when_nothing_is_measured() -> None:
    assert status_lines(None, {"collector": "waiting"}, NOW, 80) == ("no measurement yet", "collector waiting")
    assert status_lines(_live(), {"collector": "running"}, NOW + 60 * S, 80)[0] == "no measurement yet"
