"""``autoqos ship``: the same rows again, through outages, and the points that were set aside."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.errors import ConfigError
from qos.contract.points import Probe
from qos.shipping.client import InfluxClient
from qos.shipping.resend import Resend
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from tests.scripted_http import RESET, Answer, ScriptedServer, scripted_server

S = 10**9
START = 1_763_690_400 * S // (3600 * S) * 3600 * S


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Iterator[JournalReader]:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(
            [
                Probe(time_ns=START + at * S, host="h", target=t, ok=1, rtt_ms=1.0, loss_ratio=0.0, sent=1, received=1)
                for at in range(3600)
                for t in ("a", "b", "c")
            ]
        )
        assert store.maintain(START + 2 * 3600 * S, budget_s=60)
        reader = JournalReader(store.path)
        yield reader
        reader.close()


def resend(source: JournalReader, server: ScriptedServer) -> Resend:
    writers = {
        policy: InfluxClient(InfluxConfig(url=server.url, org="o", bucket=f"b{policy}"), SecretStr("t"))
        for policy in ("", "5m", "1h")
    }
    return Resend(source, writers, rate=1_000_000, batch=1000, address=server.url, stop=threading.Event())


def written(server: ScriptedServer) -> dict[str, int]:
    """Lines of every request by bucket."""
    found: dict[str, int] = {}
    for path, _, lines in server.requests:
        name = path.partition("bucket=")[2].partition("&")[0]
        found[name] = found.get(name, 0) + len(lines)
    return found


def test_every_row_of_the_span_and_its_windows_arrive_and_twice_is_the_same(
    source: JournalReader, server: ScriptedServer
) -> None:
    done = resend(source, server).run(START + 600 * S, START + 3600 * S, [])
    assert done.rows == 3000 * 3
    assert done.history_rows == 3 * 10 + 3  # the hour that the span begins in is sent whole
    kept = dict(server.rows)
    assert written(server) == {"b": 9000, "b5m": 30, "b1h": 3}
    assert resend(source, server).run(START + 600 * S, START + 3600 * S, []).rows == 9000
    assert server.rows == kept


def test_it_waits_for_a_server_that_goes_away_and_loses_nothing(source: JournalReader, server: ScriptedServer) -> None:
    server.script.extend([Answer(), RESET, Answer(503, "busy")])
    done = resend(source, server).run(START, START + 3600 * S, [])
    assert done.rows == 10_800
    assert {name: count for name, count in written(server).items() if name != "b"} == {"b5m": 36, "b1h": 3}
    assert len({key for key in server.rows if key.startswith("probe,")}) == 10_800
    assert done.waiting == ""


def test_denied_access_ends_it_with_one_line(source: JournalReader, server: ScriptedServer) -> None:
    server.rule = lambda _lines: Answer(401, '{"message":"unauthorized access"}')
    with pytest.raises(ConfigError, match="refuses: 401 unauthorized access"):
        resend(source, server).run(START, START + 3600 * S, [])


def test_points_that_were_set_aside_go_again_and_those_still_refused_are_kept(
    source: JournalReader, server: ScriptedServer
) -> None:
    server.rule = lambda lines: Answer(400, "conflict") if any("bad" in line for line in lines) else Answer()
    aside = [f"probe,host=h,target=good sent=1i {START}", f"probe,host=h,target=bad sent=1i {START}"]
    done = resend(source, server).run(START, START + 60 * S, aside)
    assert done.again == 1
    assert [item.line for item in done.rejected] == [aside[1]]


def test_rows_beyond_the_buckets_retention_are_counted_and_are_no_error(
    source: JournalReader, server: ScriptedServer
) -> None:
    reason = '{"message":"partial write: points beyond retention policy dropped=%d"}'
    server.rule = lambda lines: Answer(422, reason % len(lines))
    done = resend(source, server).run(START, START + 60 * S, [])
    assert done.too_old == 60 * 3
    assert done.rejected == []
    assert done.rows == 0
