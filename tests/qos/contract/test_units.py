"""Human units: read strictly, printed back shortly."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.contract.units import (
    format_bps,
    format_bytes,
    format_duration,
    parse_duration_ns,
    parse_rate_bps,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", 10**9),
        ("500ms", 500 * 10**6),
        ("0.1s", 10**8),
        ("1.5h", 5400 * 10**9),
        ("5m", 300 * 10**9),
        ("5min", 300 * 10**9),
        ("7d", 7 * 86400 * 10**9),
        ("2w", 14 * 86400 * 10**9),
        ("2y", 730 * 86400 * 10**9),
        (" 2 H ", 7200 * 10**9),
        ("0s", 0),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("20mbit", 20_000_000), ("64kbit", 64_000), ("1.5gbit", 1_500_000_000), ("8 bit", 8)]
)
def test_rates_are_decimal_bits(text: str, expected: int) -> None:
    assert parse_rate_bps(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GB", 2 * 10**9), ("512MiB", 512 * 2**20), ("1kB", 1000), ("1KiB", 1024), ("7B", 7), ("1TB", 10**12)],
)
def test_sizes_are_decimal_or_binary_as_written(text: str, expected: int) -> None:
    assert parse_size_bytes(text) == expected


@pytest.mark.parametrize("parse", [parse_duration_ns, parse_rate_bps, parse_size_bytes])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "s",
        "-1s",
        "+1s",
        "1e3s",
        "1,5s",
        "1 2s",
        ".5s",
        "1.s",
        "1ss",
        "nan s",
        "１s",
        "1s\x00",
        1,
        1.5,
        None,
        True,
    ],
)
def test_anything_else_is_refused_with_an_example(parse: Callable[[object], int], value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a (duration|rate|size): write a number with a unit, such as "):
        parse(value)


def test_a_unit_of_another_kind_is_refused() -> None:
    for parse, text in ((parse_duration_ns, "1mbit"), (parse_rate_bps, "1MB"), (parse_size_bytes, "1mbit")):
        with pytest.raises(ValueError, match="is not a"):
            parse(text)


def test_what_does_not_fit_64_bits_is_refused() -> None:
    assert parse_size_bytes(f"{2**63 - 1}B") == 2**63 - 1
    with pytest.raises(ValueError, match="too large for a size"):
        parse_size_bytes(f"{2**63}B")


@settings(deadline=None)
@given(st.integers(0, 10**5), st.integers(0, 999), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_decimals_are_exact(whole: int, thousandths: int, unit: str) -> None:
    scale = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}[unit]
    text = f"{whole}.{thousandths:03d}{unit}"
    assert parse_duration_ns(text) == whole * scale + thousandths * scale // 1000


@settings(deadline=None)
@given(st.integers(1, 10**5), st.sampled_from([10**6, 10**9, 60 * 10**9, 3600 * 10**9, 86400 * 10**9]))
def test_whole_durations_read_back_as_printed(count: int, unit_ns: int) -> None:
    assert parse_duration_ns(format_duration(count * unit_ns)) == count * unit_ns


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5 * 10**12, "5.0 TB"), (-2000, "-2.0 kB")],
)
def test_bytes_for_people(value: float, expected: str) -> None:
    assert format_bytes(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0 bit/s"), (64_000, "64 kbit/s"), (20_500_000, "20.5 Mbit/s"), (3e9, "3.0 Gbit/s")]
)
def test_rates_for_people(value: float, expected: str) -> None:
    assert format_bps(value).replace(".0 kbit", " kbit").replace("0.0 bit", "0 bit") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7200 * 10**9, "2h"), (90 * 10**9, "90s"), (1_500_000, "0.0015s"), (14 * 86400 * 10**9, "2w")],
)
def test_durations_for_people(value: int, expected: str) -> None:
    assert format_duration(value) == expected
