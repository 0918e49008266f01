"""The session's calls in their order, every error of the documentation, and nothing left behind."""

import pytest

from collector.capture import CaptureUnavailable
from collector.capture.etw.callbacks import Feed
from collector.capture.etw.layout import KINDS
from collector.capture.etw.session import (
    ACCESS_DENIED,
    ALREADY_EXISTS,
    CLOSE_PENDING,
    NAME,
    NO_RESOURCES,
    Lost,
    Session,
)
from tests.collector.capture.etw.fake_api import FakeApi

FILTER_REFUSED = 87


def session(api: FakeApi, raw: bool = True) -> Session:
    return Session(api, Feed(), raw=raw)


def left_behind(api: FakeApi) -> bool:
    return bool(api.sessions) or api.open_traces != 0


def test_the_calls_come_in_the_documented_order() -> None:
    api = FakeApi()
    made = session(api)
    made.start()
    made.stop()
    assert [call for call in api.calls if call != "process"] == [
        "stop", "start", "enable", "enable process", "open raw", "disable", "disable", "stop", "close",
    ]  # fmt: skip
    assert api.filters[0] == tuple(sorted(KINDS))
    assert not left_behind(api)
    assert made.ended is None
    before = list(api.calls)
    made.stop()
    assert api.calls == before, "stopping twice does nothing"


def test_a_session_that_a_crash_left_behind_is_stopped_first() -> None:
    api = FakeApi()
    api.sessions.add(NAME)
    made = session(api)
    made.start()
    assert api.calls[:2] == ["stop", "start"]
    made.stop()
    assert not left_behind(api)


def test_a_name_that_is_taken_between_two_calls_is_stopped_and_tried_once_more() -> None:
    api = FakeApi()
    api.errors["start"] = [ALREADY_EXISTS]
    made = session(api)
    made.start()
    assert api.calls[:4] == ["stop", "start", "stop", "start"]
    made.stop()
    api.errors["start"] = [ALREADY_EXISTS, ALREADY_EXISTS]
    with pytest.raises(CaptureUnavailable, match="Windows error 183"):
        session(api).start()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("start", ACCESS_DENIED, "needs an administrator"),
        ("start", NO_RESOURCES, "no free trace session"),
        ("enable", ACCESS_DENIED, "needs an administrator"),
        ("open", ACCESS_DENIED, "needs an administrator"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_no_session_behind(call: str, error: int, words: str) -> None:
    api = FakeApi(raw=False)
    api.errors[call] = [error] * 3
    with pytest.raises(CaptureUnavailable, match=words) as caught:
        session(api).start()
    assert "\n" not in str(caught.value)
    assert not left_behind(api)


def test_a_refused_filter_is_left_out_and_names_of_processes_are_no_condition() -> None:
    api = FakeApi()
    api.errors["enable"] = [FILTER_REFUSED]
    api.errors["enable process"] = [ACCESS_DENIED]
    made = session(api)
    made.start()
    assert api.filters == [tuple(sorted(KINDS)), (), (1,)]
    made.stop()


def test_without_raw_buffers_single_events_are_read() -> None:
    refused, absent = FakeApi(), FakeApi(raw=False)
    refused.errors["open raw"] = [120]
    for api in (refused, absent):
        made = session(api)
        made.start()
        assert not made.raw
        assert api.opened_raw is False
        made.stop()
        assert not left_behind(api)


def test_a_session_that_somebody_else_ends_says_so() -> None:
    api = FakeApi()
    made = session(api)
    made.start()
    api.stop(NAME)
    assert made._thread is not None
    made._thread.join(10)
    assert made.ended is not None
    assert "ended from outside" in made.ended
    made.stop()
    assert api.open_traces == 0


def test_losses_are_the_systems_and_a_pending_close_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    made = session(api)
    made.start()
    api.losses = Lost(7, 2)
    assert made.lost() == Lost(7, 2)
    api.errors["query"] = [5]
    assert made.lost() == Lost(0, 0)
    api.errors["close"] = [CLOSE_PENDING]
    made.stop()
    assert caplog.records == []
