"""What a window of evidence says, and when the attribution is doubtful."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.capture.etw.attribution_check import BAD_WINDOWS, AttributionCheck, Evidence, Judgement, judge

MB = 1_000_000


def window(**values: Any) -> Evidence:
    base: dict[str, Any] = {"events": 10_000, "lost": 0, "estimated_rx": 99 * MB, "estimated_tx": 9 * MB}
    return Evidence(**{**base, "interface_rx": 100 * MB, "interface_tx": 9 * MB, **values})


def test_a_window_that_fits_is_good() -> None:
    assert judge(window()) == Judgement((), (), True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"estimated_rx": 80 * MB}, "applications received 80.0 MB of the interfaces' 100.0 MB"),
        ({"estimated_rx": 106 * MB}, "applications received 106.0 MB, the interfaces only 100.0 MB"),
        ({"interface_tx": 0}, "applications sent 9.0 MB, the interfaces only 0.0 MB"),
        ({"lost": 200}, "200 of 10200 events were lost"),
    ],
)
def test_a_window_that_does_not_fit_is_bad_and_says_why(values: dict[str, int], words: str) -> None:
    judgement = judge(window(**values))
    assert judgement.faults == (words,)
    assert judgement.tested


def test_what_this_computer_forwards_explains_what_is_missing() -> None:
    judgement = judge(window(estimated_rx=50 * MB, forwarded=1))
    assert judgement.faults == ()
    assert "forwards for others" in judgement.remarks[0]


def test_datagrams_and_process_counters_are_remarks_not_faults() -> None:
    judgement = judge(
        Evidence(
            events=10, lost=0, estimated_rx=0, estimated_tx=0, datagrams=2_000, system_datagrams=2_400,
            process_payload={7: 5 * MB, 8: MB}, process_counters={7: 9 * MB, 8: MB, 9: 10},
        )
    )  # fmt: skip
    assert judgement.faults == ()
    assert judgement.remarks == (
        "2000 datagrams in events, 2400 by the system's count",
        "process 7: 5.0 MB in events, 9.0 MB by its own counter",
    )
    few_lost = judge(window(lost=20))
    assert few_lost.faults == ()
    assert few_lost.remarks == ("20 of 10020 events were lost",)


def test_three_bad_windows_in_a_row_make_it_doubtful_and_one_good_one_ends_that() -> None:
    check, bad, good = AttributionCheck(), judge(window(estimated_rx=0)), judge(window())
    nothing = judge(Evidence(events=5, lost=0, estimated_rx=10, estimated_tx=10, interface_rx=20, interface_tx=1))
    assert nothing == Judgement((), (), False)
    for judgement in (bad, bad, good, bad, bad, nothing):
        check.take(judgement)
        assert check.doubtful == ""
    check.take(bad)
    assert check.doubtful.startswith("applications received 0.0 MB")
    check.take(nothing)
    assert check.doubtful
    check.take(good)
    assert check.doubtful == ""


@given(st.lists(st.booleans(), max_size=30))
def test_it_is_doubtful_exactly_after_a_row_of_bad_windows(windows: list[bool]) -> None:
    check = AttributionCheck()
    for good in windows:
        check.take(Judgement((), (), True) if good else Judgement(("x",), (), True))
    row = next((n for n, good in enumerate(reversed(windows)) if good), len(windows))
    assert bool(check.doubtful) == (row >= BAD_WINDOWS)
