"""The HTTP API over a real server: what it answers, that it never breaks, and that its description is true."""

import json
import re
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.page.api.handlers.describe import describe
from console.page.api.table import OPERATIONS
from forecaster.quota.outlook import QuotaOutlook
from forecaster.quota.period import QuotaPeriod
from forecaster.quota.projection import ByteBand, CapForecast
from qos.contract.points import LinkEstimate
from qos.store.sqlite.store import SqliteStore
from tests.console.page.conftest import HOSTILE, SamplePage
from tests.console.page.described import Described
from tests.console.page.rig import Api

_PROPERTY = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def problem(answer: tuple[int, dict[str, str], Any], status: int) -> str:
    got, headers, body = answer
    assert got == status, body
    assert headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    return str(body["detail"])


def test_nothing_is_answered_without_a_token(sample: SamplePage) -> None:
    stranger = Api(sample.process.port)
    for operation in OPERATIONS:
        if operation.access != "token":
            continue
        path = re.sub(r"\{.*?\}", "x", operation.full_path)
        body: dict[str, Any] | None = {} if operation.body is not None else None
        assert "autoqos page" in problem(stranger.call(operation.method, path, body), 401)
        wrong = {"Authorization": "Bearer wrong"}
        assert problem(stranger.call(operation.method, path, body, wrong), 401)


def test_a_code_buys_one_token_and_logging_out_ends_it(sample: SamplePage) -> None:
    code = sample.process.another_code()
    first = Api(sample.process.port)
    first.log_in(code)
    assert "wrong, used" in problem(Api(sample.process.port).call("POST", "/api/v1/session", {"code": code}), 403)
    assert first.call("GET", "/api/v1/apps")[0] == 200
    assert first.call("DELETE", "/api/v1/session")[0] == 204
    problem(first.call("GET", "/api/v1/apps"), 401)


def test_a_limit_a_priority_and_a_pause_are_set_told_and_undone(sample: SamplePage) -> None:
    api = sample.api
    status, _, answer = api.call("PUT", "/api/v1/apps/steam/limit", {"down": "2mbit", "up": None, "for": "2h"})
    assert status == 200
    assert answer["state"]["down_bps"] == 2_000_000
    assert "no enforcer is running" in answer["effect"]
    document = sample.state("override:app:steam")
    assert (document["down_bps"], document["up_bps"]) == (2_000_000, None)
    assert api.call("PUT", "/api/v1/apps/steam/priority", {"level": 5})[2]["said"] == "steam: priority 5 (background)"
    undone = api.call(answer["inverse"]["method"], answer["inverse"]["path"], {})
    assert undone[0] == 200, undone
    document = sample.state("override:app:steam")
    assert (document["down_bps"], document["priority"]) == (None, 5), "the priority stays when the limit is undone"
    assert api.call("DELETE", "/api/v1/apps/steam/priority")[0] == 200
    assert sample.state("override:app:steam") is None
    assert api.call("PUT", "/api/v1/pause", {"for": "10m"})[2]["state"]["paused"] is True
    assert sample.state("override:pause") is not None
    assert api.call("DELETE", "/api/v1/pause")[0] == 200
    assert sample.state("override:pause") is None
    events = api.call("GET", "/api/v1/query/event?since=1h&where=kind%3Daction")[2]["rows"]
    assert any(event["subject"] == "steam" and "from the API" in event["message"] for event in events)


def test_put_and_delete_are_idempotent(sample: SamplePage) -> None:
    first = sample.api.call("PUT", "/api/v1/apps/firefox/priority", {"level": 1})[2]
    again = sample.api.call("PUT", "/api/v1/apps/firefox/priority", {"level": 1})[2]
    assert again["state"] == first["state"]
    assert again["inverse"] is None
    for _ in range(2):
        assert sample.api.call("DELETE", "/api/v1/apps/firefox/priority")[0] == 200


def test_an_undo_of_what_was_changed_since_is_refused(sample: SamplePage) -> None:
    inverse = sample.api.call("PUT", "/api/v1/apps/sshd/priority", {"level": 1})[2]["inverse"]
    sample.api.call("PUT", "/api/v1/apps/sshd/priority", {"level": 2})
    assert "changed since" in problem(sample.api.call("POST", inverse["path"], {}), 409)
    assert sample.state("override:app:sshd")["priority"] == 2
    sample.api.call("DELETE", "/api/v1/apps/sshd/priority")


def test_a_stale_if_match_changes_nothing(sample: SamplePage) -> None:
    etag = sample.api.call("GET", "/api/v1/apps/firefox")[1]["etag"]
    assert sample.api.call("PUT", "/api/v1/apps/firefox/priority", {"level": 4}, {"If-Match": etag})[0] == 200
    problem(sample.api.call("PUT", "/api/v1/apps/firefox/priority", {"level": 1}, {"If-Match": etag}), 412)
    assert sample.state("override:app:firefox")["priority"] == 4
    sample.api.call("DELETE", "/api/v1/apps/firefox/priority")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/apps/steam/limit", {"down": "2"}, "down"),
        ("/apps/steam/limit", {"down": "0mbit"}, "down"),
        ("/apps/steam/limit", {}, "down"),
        ("/apps/steam/limit", {"down": "2mbit", "for": "soon"}, "for"),
        ("/apps/steam/limit", {"down": "2mbit", "colour": "red"}, "colour"),
        ("/apps/steam/priority", {"level": 6}, "level"),
        ("/apps/steam/priority", {"level": None}, "level"),
        ("/apps/steam/priority", {}, "level"),
        ("/pause", {"for": "0s"}, "for"),
    ],
)
def test_a_bad_value_is_said_at_its_key(sample: SamplePage, path: str, body: Any, pointer: str) -> None:
    answer = sample.api.call("PUT", f"/api/v1{path}", body)
    problem(answer, 422)
    assert pointer in [fault["pointer"] for fault in answer[2]["errors"]]
    assert sample.state("override:app:steam") is None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(sample: SamplePage, name: str) -> None:
    path = f"/api/v1/apps/{quote(name, safe='')}"
    status, headers, answer = sample.api.call("GET", path)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert answer["app"] == name
    status, _, answer = sample.api.call("PUT", f"{path}/priority", {"level": 4})
    assert status == (200 if name.isprintable() else 422)
    if status == 200:
        assert sample.state(f"override:app:{name}")["priority"] == 4
        sample.api.call("DELETE", f"{path}/priority")


def test_a_name_that_is_too_long_or_no_text_is_refused(sample: SamplePage) -> None:
    problem(sample.api.call("GET", f"/api/v1/apps/{'a' * 3000}"), 404)
    problem(sample.api.call("PUT", "/api/v1/apps/%FF%FE/priority", {"level": 1}), 400)
    problem(sample.api.call("PUT", "/api/v1/apps/a%00b/priority", {"level": 1}), 404)
    assert sample.api.call("GET", f"/api/v1/apps/{'a' * 10_000}")[0] in (400, 414)


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/vendor/..%2f..%2frun.py", "//etc/passwd", "/.git/config"]
)
def test_a_path_leads_nowhere_else(sample: SamplePage, path: str) -> None:
    assert sample.api.call("GET", path)[0] == 404


def test_usage_adds_up_and_a_spreadsheet_runs_nothing(sample: SamplePage) -> None:
    answer = sample.api.call("GET", "/api/v1/usage?since=1h")[2]
    named = sum(app["rx_bytes"] for app in answer["apps"])
    assert named + answer["unattributed"]["rx_bytes"] == answer["host"]["rx_bytes"]
    status, headers, text = sample.api.call("GET", "/api/v1/usage?since=1h&format=csv")
    assert status == 200
    assert headers["content-type"].startswith("text/csv")
    assert text.splitlines()[0] == "app,rx_bytes,tx_bytes,rx_packets,tx_packets"
    assert not [line for line in text.splitlines() if line[:1] in "=+-@"]


def test_a_query_is_paged_and_bounded(sample: SamplePage) -> None:
    answer = sample.api.call("GET", "/api/v1/query/app_traffic?since=1h&limit=50")[2]
    assert len(answer["rows"]) == 50
    before = sample.api.call("GET", f"/api/v1/query/app_traffic?since=1h&limit=50&until={quote(answer['next'])}")[2]
    assert before["rows"][-1]["time"] < answer["rows"][0]["time"]
    problem(sample.api.call("GET", "/api/v1/query/app_traffic?limit=10001"), 422)
    problem(sample.api.call("GET", "/api/v1/query/nothing"), 404)
    problem(sample.api.call("GET", "/api/v1/query/app_traffic?where=pid%3D1"), 422)


def test_an_incident_and_a_forecast_are_found(sample: SamplePage) -> None:
    found = sample.api.call("GET", "/api/v1/incidents")[2]["incidents"]
    assert [entry["app"] for entry in found] == ["steam"]
    detail = sample.api.call("GET", f"/api/v1/incidents/{found[0]['id']}")[2]
    assert {row["app"] for row in detail["traffic"]} >= {"steam", "firefox"}
    problem(sample.api.call("GET", "/api/v1/incidents/123"), 404)
    forecast = sample.api.call("GET", "/api/v1/forecast?series=host_down")[2]["forecasts"][0]
    assert len(forecast["steps"]) == 12
    assert sample.api.call("GET", "/api/v1/forecast/scores")[2]["scores"][0]["mase"] == 0.82


def test_a_preview_writes_nothing(sample: SamplePage) -> None:
    status, _, answer = sample.api.call("POST", "/api/v1/preview", {"overrides": {"steam": {"down": "64kbit"}}})
    assert status == 200, answer
    change = next(row for row in answer["apps"] if row["app"] == "steam")
    assert change["down"]["limit_after_bps"] == 64_000
    assert change["down"]["limit_before_bps"] is None
    assert sample.state("override:app:steam") is None


def test_a_preview_uses_the_learned_capacity_where_none_is_set(sample: SamplePage) -> None:
    with SqliteStore(sample.data / "autoqos.db") as store:
        for direction in ("down", "up"):
            store.write([learned(direction)])
    answer = sample.api.call("POST", "/api/v1/preview", {"overrides": {"steam": {"level": 5}}})
    assert answer[0] == 200, answer
    assert answer[2]["link"] == {"down": 90_000_000, "up": 90_000_000}
    assert "the line's capacity is as learned" in answer[2]["notes"]


def learned(direction: str) -> LinkEstimate:
    return LinkEstimate(
        time_ns=time.time_ns() - 60 * 10**9, host="laptop", direction=direction, capacity_bps=90_000_000,
        confidence=0.9, age_s=1.0, state="learned",
    )  # fmt: skip


def test_settings_are_checked_saved_with_their_comments_and_undone(sample: SamplePage) -> None:
    old = sample.config.read_text()
    answer = sample.api.call("POST", "/api/v1/config/check", {"text": "interval: soon\nlinc: {}\n"})[2]
    assert {entry["key"] for entry in answer["problems"]} == {"interval", "linc"}
    answer = sample.api.call("PUT", "/api/v1/config", {"text": "interval: soon\n"})
    assert "interval" in problem(answer, 422)
    assert sample.config.read_text() == old
    answer = sample.api.call("PATCH", "/api/v1/config", {"changes": {"mode": "dry_run", "link.down": "90mbit"}})
    assert answer[0] == 200, answer
    new = sample.config.read_text()
    assert "# this comment must survive" in new
    assert "# and this one" in new
    assert "mode: dry_run" in new
    assert sample.config.with_name("config.yaml.before").read_text() == old
    assert sample.api.call("POST", answer[2]["inverse"]["path"], {})[0] == 200
    assert sample.config.read_text() == old
    problem(sample.api.call("PUT", "/api/v1/config", {"text": old}, {"If-Match": '"stale"'}), 412)


def test_the_configuration_in_force_shows_where_each_value_came_from_and_no_secret(sample: SamplePage) -> None:
    values = {entry["key"]: entry for entry in sample.api.call("GET", "/api/v1/config")[2]["values"]}
    assert values["mode"]["source"] == "file"
    assert values["collector.capture"] == {"key": "collector.capture", "value": "psutil", "source": "file"}
    assert values["interval"] == {"key": "interval", "value": "1s", "source": "default"}
    assert values["retention.max_size"]["value"] == "2GB"
    assert values["link.down"]["value"] is None


def events(sample: SamplePage, headers: str = "") -> list[tuple[str, Any]]:
    """The first two events of a stream."""
    with socket.create_connection(("127.0.0.1", sample.process.port), timeout=20) as sock:
        sock.sendall(
            f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{sample.process.port}\r\n"
            f"Authorization: Bearer {sample.api.token}\r\n{headers}\r\n".encode()
        )
        raw = b""
        while raw.count(b"event: ") < 2 or not raw.endswith(b"\n\n\r\n"):
            raw += sock.recv(65536)
    text = raw.decode()
    found = re.findall(r"event: (\w+)\n(?:id: \d+\n)?data: (.*)\n\n", text)
    return [(name, json.loads(data)) for name, data in found]


def test_the_stream_begins_with_what_was_missed_then_the_present(sample: SamplePage) -> None:
    (first, history), (second, live) = events(sample)[:2]
    assert (first, second) == ("history", "live")
    assert sample.api.described is not None
    sample.api.described.hold_event(first, history)
    sample.api.described.hold_event(second, live)
    assert sum(history["ran"]) > 100
    assert {row["app"] for row in live["apps"]} >= {"steam", "firefox", "sshd"}
    assert live["lag"]["app"] == "steam"
    later = (time.time_ns() - 20 * 10**9) // 10**6
    (_, short), _ = events(sample, f"Last-Event-ID: {later}\r\n")[:2]
    assert len(short["ran"]) <= 40


def test_metrics_are_off_until_they_are_allowed(sample: SamplePage) -> None:
    assert "metrics are off" in problem(sample.api.call("GET", "/metrics"), 404)


def test_the_description_names_every_operation_and_nothing_else(sample: SamplePage) -> None:
    document = Api(sample.process.port).call("GET", "/openapi.json")[2]
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(operation.method, operation.full_path) for operation in OPERATIONS}
    assert document == json.loads(json.dumps(describe(OPERATIONS)))
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_operation_answers_as_it_is_described(sample: SamplePage) -> None:
    """Each is called once with success; the rig holds every answer of every test against the served schemas."""
    api = sample.api
    described = api.described
    assert described is not None
    incident = api.call("GET", "/api/v1/incidents")[2]["incidents"][0]["id"]
    paths = {
        "get_query": "/api/v1/query/app_traffic?limit=3",
        "get_incident": f"/api/v1/incidents/{incident}",
        "get_usage": "/api/v1/usage?since=1h&by=pid",
        "get_timeline": "/api/v1/timeline?since=10m&points=50",
    }
    bodies: dict[str, Any] = {
        "put_priority": {"level": 4},
        "put_limit": {"down": "2mbit"},
        "put_pause": {"for": "1h"},
        "put_mode": {"mode": "dry_run"},
        "put_config": {"text": sample.config.read_text()},
        "patch_config": {"changes": {"interval": "2s"}},
        "post_check": {"text": "interval: soon"},
        "post_preview": {"overrides": {"steam": {"level": 5}}},
        "log_in": {"code": sample.process.another_code()},
    }
    old = sample.config.read_text()
    left = {operation.handler.__name__.lstrip("_"): operation for operation in OPERATIONS}
    for name in ("stream", "get_metrics", "log_out"):  # tested on their own
        del left[name]
    undo = left.pop("undo")
    for name, operation in left.items():
        path = paths.get(name, operation.full_path.replace("{name}", "steam"))
        status, _, answer = api.call(operation.method, path, bodies.get(name, {} if operation.body else None))
        assert status == operation.status, (name, answer)
        if operation.writes and answer["inverse"] is not None and name in ("put_mode", "patch_config"):
            assert api.call(undo.method, answer["inverse"]["path"], {})[0] == 200
    for path in ("/api/v1/apps/steam/priority", "/api/v1/apps/steam/limit", "/api/v1/pause"):
        api.call("DELETE", path)
    assert sample.config.read_text() == old
    assert set(left) | {"undo"} <= described.seen
    for action in api.call("GET", "/api/v1/history")[2]["actions"]:
        assert action["client"] == "api"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_another_method_is_refused_with_those_that_are_allowed(sample: SamplePage, operation: Any) -> None:
    path = re.sub(r"\{.*?\}", "x", operation.full_path)
    status, headers, _ = sample.api.call("TRACE", path, {})
    assert status == 405
    assert operation.method in headers["allow"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_WORDS = st.sampled_from(
    ["2mbit", "1h", "0", "-1", "steam", "json", "csv", "app", "1970-01-01", "9999-12-31T23:59:59Z", "0001-01-01",
     "1e9d",
     "99999999999999999999d", "1ms", "auto", "sum", "", "%", "🦆", "app=steam", "\x7f"]
) | st.text(max_size=12)  # fmt: skip


def _fuzzed(operation: Any, draw: Any) -> tuple[str, Any]:
    path = re.sub(
        r"\{.*?\}",
        lambda _: quote(draw(_WORDS | st.sampled_from(["app_traffic", "probe"])), safe="") or "x",
        operation.full_path,
    )
    names = [*operation.query.model_json_schema(by_alias=True).get("properties", {}), "unknown"]
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), _WORDS), max_size=4))
    if pairs:
        path += "?" + urlencode(pairs, errors="replace")
    if operation.body is None:
        return path, None
    keys = [*operation.body.model_json_schema(by_alias=True).get("properties", {}), "unknown"]
    shaped = st.dictionaries(st.sampled_from(keys), _JSON | _WORDS, max_size=4)
    return path, draw(shaped | _JSON)


@_PROPERTY
@given(data=st.data())
def test_no_request_breaks_the_server_and_every_error_is_a_problem(sample: SamplePage, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from([op for op in OPERATIONS if not op.stream and op.path != "/session"]))
    path, body = _fuzzed(operation, data.draw)
    if body is not None:
        body = json.dumps(body).encode("utf-8", "replace")
    status, headers, answer = sample.api.call(operation.method, path, body)
    assert status < 500, (operation.method, path, body, answer)
    if status >= 400:
        assert headers["content-type"] == "application/problem+json"
        assert answer["status"] == status
        assert answer["detail"]
    assert "traceback" not in str(answer).lower()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"level": 1e999}', b"[" * 100_000, b'{"a":' * 5_000],
)
def test_a_body_that_is_no_json_object_is_refused(sample: SamplePage, body: bytes) -> None:
    status, headers, _ = sample.api.call("PUT", "/api/v1/apps/steam/priority", body or b" ")
    assert status in (400, 422)
    assert headers["content-type"] == "application/problem+json"


def test_a_body_without_end_is_cut_off(sample: SamplePage) -> None:
    with socket.create_connection(("127.0.0.1", sample.process.port), timeout=20) as sock:
        sock.sendall(
            f"PUT /api/v1/config HTTP/1.1\r\nHost: 127.0.0.1:{sample.process.port}\r\n"
            "Content-Type: application/json\r\n"
            f"Authorization: Bearer {sample.api.token}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        sent, answer = 0, b""
        try:
            while sent < 5_000_000:
                sock.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
        except OSError:
            pass
        try:
            answer = sock.recv(4096)
        except OSError:
            answer = b""
    assert sent < 5_000_000 or b"413" in answer
    assert sample.api.call("GET", "/api/v1/apps")[0] == 200


def test_wrong_codes_are_slowed_down_and_a_right_one_is_let_in(tmp_path: Path) -> None:
    page = SamplePage(tmp_path)
    try:
        stranger = Api(page.process.port)
        answers = [stranger.call("POST", "/api/v1/session", {"code": f"guess {number}"}) for number in range(14)]
        assert answers[0][0] == 403
        assert answers[-1][0] == 429
        assert int(answers[-1][1]["retry-after"]) > 0
        assert page.api.call("GET", "/api/v1/apps")[0] == 200, "who is logged in already is not disturbed"
        stranger.log_in(page.process.another_code())
    finally:
        page.process.stop()


@pytest.mark.parametrize("app", [None, "steam"])
def test_a_data_volume_is_told_as_it_is_described(app: str | None) -> None:
    band = ByteBand(1, 2, 3)
    forecast = CapForecast(band, band, 0.5, 5, None, None)
    period = QuotaPeriod(0, 10)
    described = Described(describe(OPERATIONS))
    for outlook in (
        QuotaOutlook(app, 7, period, 3, 0, 1, None, 4, forecast),
        QuotaOutlook(app, 7, period, 8, 0, 1, 6, 0, None, "nothing was measured yet"),
    ):
        said = json.loads(json.dumps(outlook.document()))
        described.hold_schema({"$ref": "#/components/schemas/QuotaEntry"}, said, "a data volume")
