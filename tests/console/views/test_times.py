import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.views.times import parse_span_ns, parse_time_ns, rfc3339, rough_span
from qos.contract.errors import ConfigError

_S = 10**9


@given(st.integers(min_value=0, max_value=4_000_000_000 * _S))
@settings(deadline=None)
def test_a_time_that_was_printed_reads_back_to_the_nanosecond(time_ns: int) -> None:
    assert parse_time_ns(rfc3339(time_ns), 0, "--since") == time_ns


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_763_694_000 * _S, "2025-11-21T03:00:00Z"),
        (1_763_694_000 * _S + 1, "2025-11-21T03:00:00.000000001Z"),
        (1_763_694_000 * _S + 500_000_000, "2025-11-21T03:00:00.500Z"),
    ],
)
def test_times_are_written_as_rfc_3339(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


def test_a_duration_is_before_now_and_never_before_the_epoch() -> None:
    assert parse_time_ns("1h", 7200 * _S, "--since") == 3600 * _S
    assert parse_time_ns("1y", 7200 * _S, "--since") == 0


def test_zones_are_honoured_and_none_is_utc() -> None:
    assert parse_time_ns("2026-11-21T05:00:00+02:00", 0, "x") == parse_time_ns("2026-11-21T03:00:00", 0, "x")
    midnight = int(datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC).timestamp())
    assert parse_time_ns("2026-11-21", 0, "x") == midnight * _S


@pytest.mark.parametrize("text", ["yesterday", "", "5", "2026-13-01", "1 fortnight"])
def test_nonsense_is_one_line_naming_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match="--since"):
        parse_time_ns(text, 0, "--since")


@pytest.mark.parametrize("text", ["0s", "soon", "-1s"])
def test_a_span_must_be_a_duration_above_zero(text: str) -> None:
    with pytest.raises(ConfigError, match="--every"):
        parse_span_ns(text, "--every")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h 00 min"), (200_000, "2 d 7 h")],
)
def test_spans_for_people_are_rough(seconds: int, text: str) -> None:
    assert rough_span(seconds * _S) == text
