"""An HTTP answer becomes what to do next."""

import pytest

from qos.shipping.outcomes import BadLines, Denied, Ok, Retry, TooLarge, WriteOutcome, outcome_of

NOW_S = 1_795_000_000.0

# The bodies of 400 and 422 are a real InfluxDB 2.9.1's.
CONFLICT = (
    '{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict:'
    ' input field \\"ok\\" on measurement \\"probe\\" is type float, already exists as type integer dropped=1"}'
)
TOO_OLD = (
    '{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 2 points'
    " outside retention policy of duration 720h0m0s - oldest point probe,host=a at 1970-01-01T00:00:00.000001Z dropped"
    " because it violates a Retention Policy Lower Bound dropped=2 for database: 06b2b11fa57c8dc9 for retention policy:"
    ' autogen"}'
)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (204, "", {}, Ok),
        (200, "", {}, Ok),
        (301, "", {"Location": "https://b/"}, Denied),
        (400, '{"code":"invalid","message":"unable to parse"}', {}, BadLines),
        (401, "", {}, Denied),
        (403, "", {}, Denied),
        (404, "", {}, Denied),
        (405, "", {}, Denied),
        (408, "", {}, Retry),
        (413, "", {}, TooLarge),
        (422, CONFLICT, {}, BadLines),
        (429, "", {}, Retry),
        (500, "", {}, Retry),
        (502, "<html>", {}, Retry),
        (503, "", {}, Retry),
    ],
)
def test_every_status_has_its_outcome(
    status: int, body: str, headers: dict[str, str], kind: type[WriteOutcome]
) -> None:
    assert type(outcome_of(status, body, headers, NOW_S)) is kind


def test_a_partial_write_says_how_many_points_it_dropped() -> None:
    assert outcome_of(422, CONFLICT, {}, NOW_S).dropped == 1  # type: ignore[union-attr]  # it is BadLines
    assert outcome_of(422, TOO_OLD, {}, NOW_S).dropped == 2  # type: ignore[union-attr]  # idem
    assert outcome_of(400, '{"message":"dropped=3"}', {}, NOW_S) == BadLines("400 dropped=3", None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("999999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Tue, 18 Nov 2026 06:27:10 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_an_hour(text: str, seconds: float | None) -> None:
    outcome = outcome_of(429, "", {"retry-after": text}, NOW_S)
    assert outcome == Retry("429", seconds, lost_contact=False)


def test_a_date_in_retry_after_is_a_wait_from_now() -> None:
    # 1_795_000_000 is 2026-11-18 11:06:40 UTC.
    outcome = outcome_of(503, "", {"Retry-After": "Wed, 18 Nov 2026 11:07:40 GMT"}, NOW_S)
    assert outcome == Retry("503", 60.0, lost_contact=True)


def test_a_write_that_timed_out_in_the_server_is_no_lost_contact() -> None:
    # As 2.9.1 said it under a thousand new agents (docs/measurements.md).
    body = '{"code":"internal error","message":"unexpected error writing points to database: timeout"}'
    outcome = outcome_of(500, body, {}, NOW_S)
    assert outcome == Retry("500 unexpected error writing points to database: timeout", lost_contact=False)
    full = '{"code":"internal error","message":"unexpected error writing points to database: no space left on device"}'
    assert outcome_of(500, full, {}, NOW_S).lost_contact  # type: ignore[union-attr]  # it is Retry


def test_reasons_are_one_line_and_bounded() -> None:
    outcome = outcome_of(500, "first\nsecond " + "x" * 5000, {}, NOW_S)
    assert isinstance(outcome, Retry)
    assert "\n" not in outcome.reason
    assert len(outcome.reason) <= 300
    assert outcome.reason.startswith("500 first second")


def test_a_long_reason_keeps_its_end_where_the_cause_stands() -> None:
    # 2.9.1 on a full disk.
    body = (
        '{"code":"internal error","message":"unexpected error writing points to database: not attempting to open shard'
        ' 2; opening shard previously failed with: error loading series file for database \\"fba9ced2943ab75e\\": write'
        " /var/lib/influxdb2/engine/data/fba9ced2943ab75e/_series/00/0000.initializing/in/a/rather/long/path/of/a/user:"
        ' no space left on device"}'
    )
    outcome = outcome_of(500, body, {}, NOW_S)
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("500 unexpected error writing points")
    assert outcome.reason.endswith("no space left on device")


def test_the_message_of_a_json_body_is_the_reason() -> None:
    body = '{"code":"not found","message":"bucket \\"x\\" not found"}'
    assert outcome_of(404, body, {}, NOW_S) == Denied('404 bucket "x" not found')
