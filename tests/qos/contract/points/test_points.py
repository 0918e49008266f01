"""Points: validated once, and line protocol that reads back as what was written."""

import math
import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.contract.points import SPECS, TYPES, AppTraffic, Point, Probe, spec_of, to_line
from tests.qos.store.strategies import points

INT64 = st.integers(-(2**63), 2**63 - 1)


def probe(**changed: Any) -> Probe:
    row: dict[str, Any] = {
        "time_ns": 1,
        "host": "desk",
        "target": "1.1.1.1",
        "ok": 1,
        "rtt_ms": 12.5,
        "loss_ratio": 0.0,
        "sent": 1,
        "received": 1,
    }
    return Probe(**row | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"time_ns": 1.0}, "probe.time_ns: 1.0 is not a time in nanoseconds"),
        ({"time_ns": True}, "probe.time_ns: True is not a time"),
        ({"time_ns": 2**63}, "is not a time in nanoseconds"),
        ({"host": ""}, "probe.host: a tag is text and never empty, got ''"),
        ({"target": None}, "probe.target: a tag is text"),
        ({"target": 7}, "probe.target: a tag is text"),
        ({"target": "a\udc80"}, "probe.target: 'a\\udc80' is not Unicode text"),
        ({"ok": None}, "probe.ok: missing"),
        ({"ok": True}, "probe.ok: True is not a 64-bit integer"),
        ({"ok": 1.0}, "probe.ok: 1.0 is not a 64-bit integer"),
        ({"sent": 2**63}, "is not a 64-bit integer"),
        ({"rtt_ms": 1}, "probe.rtt_ms: 1 is not a finite float"),
        ({"rtt_ms": math.nan}, "probe.rtt_ms: nan is not a finite float"),
        ({"loss_ratio": math.inf}, "probe.loss_ratio: inf is not a finite float"),
        ({"reason": 5}, "probe.reason: 5 is not text"),
        ({"reason": "\ud800"}, "probe.reason: '\\ud800' is not Unicode text"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_point_is_made(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        probe(**changed)


def test_the_borders_of_64_bits_and_absent_optional_fields_fit() -> None:
    assert probe(sent=2**63 - 1, received=-(2**63), rtt_ms=None).values["sent"] == 2**63 - 1
    assert "rtt_ms" not in probe(rtt_ms=None).values


def test_points_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        probe().ok = 0  # type: ignore[misc]  # that is the case


def test_every_measurement_declares_units_tags_and_rollups() -> None:
    for name, spec in SPECS.items():
        assert spec.name == name
        assert spec.tags
        assert spec is spec_of(TYPES[name])
        assert [*spec.tags, *(f.name for f in spec.fields)] == [f.name for f in fields(TYPES[name])][1:]
        for f in spec.fields:
            assert f.kind in ("int", "float", "str")
            assert f.rollup in ("sum", "mean", "max", "last")
            assert f.rollup == "last" or f.kind != "str"
            assert f.unit


def test_no_shipped_measurement_has_a_tag_without_bounds() -> None:
    for spec in SPECS.values():
        if not spec.local:
            assert not {"pid", "address", "port", "path", "started"} & set(spec.tags)


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"app_traffic has no field 'rx'; it has rx_bytes, tx_bytes"):
        spec_of(AppTraffic).field("rx")


def test_line_protocol_by_hand() -> None:
    point = probe(host="my desk", target="a,b=c", reason='said "no" \\', rtt_ms=0.1)
    assert to_line(point) == (
        r"probe,host=my\ desk,target=a\,b\=c ok=1i,rtt_ms=0.1,loss_ratio=0.0,sent=1i,received=1i,"
        r'reason="said \"no\" \\",kind="icmp" 1'
    )


def test_a_backslash_at_the_end_of_a_tag_does_not_swallow_the_next_one() -> None:
    assert to_line(probe(host="C:\\")).startswith("probe,host=C:/,target=1.1.1.1 ")


@settings(deadline=None)
@given(points(tuple(TYPES), INT64, wild=True))
def test_time_tags_and_values_are_all_of_a_point(point: Point) -> None:
    row: dict[str, Any] = {"time_ns": point.time_ns, **point.tags, **point.values}
    assert TYPES[point.MEASUREMENT](**row) == point


@settings(deadline=None, max_examples=300)
@given(points(tuple(TYPES), INT64, wild=True))
def test_line_protocol_reads_back_as_what_was_written(point: Point) -> None:
    line = to_line(point)
    assert "\n" not in line
    measurement, tags, values, time_ns = parse_line(line)
    assert measurement == point.MEASUREMENT
    assert tags == {name: told(value) for name, value in point.tags.items()}
    assert list(tags) == sorted(tags)
    assert values == {n: spaced(v) if isinstance(v, str) else v for n, v in point.values.items()}
    assert {name: type(value) for name, value in values.items()} == {n: type(v) for n, v in point.values.items()}
    assert time_ns == point.time_ns


def spaced(text: str) -> str:
    """What line protocol cannot hold: line ends become spaces."""
    return text.replace("\n", " ").replace("\r", " ")


def told(tag: str) -> str:
    """A tag as it arrives: line ends and tabs are spaces, and a last backslash, which would escape, is a slash."""
    ended = tag[:-1] + "/" if tag.endswith("\\") else tag
    return spaced(ended).replace("\t", " ")


def parse_line(line: str) -> tuple[str, dict[str, str], dict[str, int | float | str], int]:
    """A small reader of line protocol, written from the specification: backslash escapes comma, equals and space."""
    head, rest = cut(line, " ", quoted=False)
    fields_text, time_text = cut(rest, " ", quoted=True)
    measurement, *pairs = pieces(head, ",", quoted=False)
    tags = dict(cut(pair, "=", quoted=False) for pair in pairs)
    values: dict[str, int | float | str] = {}
    for pair in pieces(fields_text, ",", quoted=True):
        name, text = cut(pair, "=", quoted=True)
        if text.startswith('"'):
            assert text.endswith('"')
            values[name] = re.sub(r'\\(["\\])', r"\1", text[1:-1])
        elif text.endswith("i"):
            values[name] = int(text[:-1])
        else:
            values[name] = float(text)
    return measurement, {name: re.sub(r"\\([,= ])", r"\1", text) for name, text in tags.items()}, values, int(time_text)


def cut(text: str, mark: str, *, quoted: bool) -> tuple[str, str]:
    first = pieces(text, mark, quoted=quoted)[0]
    return first, text[len(first) + 1 :]


def pieces(text: str, mark: str, *, quoted: bool) -> list[str]:
    found, start, inside, at = [], 0, False, 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text) and (inside or text[at + 1] in ",= "):
            at += 1
        elif quoted and text[at] == '"':
            inside = not inside
        elif text[at] == mark and not inside:
            found.append(text[start:at])
            start = at + 1
        at += 1
    return [*found, text[start:]]
