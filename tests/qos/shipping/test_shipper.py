"""The shipper against a server that gives every answer: nothing is lost or repeated harmfully, live stays live."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.points import Probe, to_line
from qos.shipping.client import InfluxClient
from qos.shipping.delivery import Rejected
from qos.shipping.schedule import SendSchedule
from qos.shipping.set_aside import RejectedFile
from qos.shipping.shipper import Shipper
from qos.store.sqlite.journal import Batch
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from qos.system.clock import NS_PER_S
from tests.fakes import FakeClock
from tests.scripted_http import HANG, RESET, Answer, ScriptedServer, scripted_server

START = 1_763_690_400 * NS_PER_S


def probe(at: int) -> Probe:
    return Probe(time_ns=START + at * NS_PER_S, host="h", target="t", ok=1, loss_ratio=0.0, sent=1, received=1)


class Rig:
    """A store, a shipper with its own clock, and a scripted server."""

    def __init__(self, folder: Path, server: ScriptedServer, *, token: str = "t0ken", batch: int = 100) -> None:
        self.server, self.batch = server, batch
        self.store = SqliteStore(folder / "autoqos.db")
        self.store.register_cursor("influxdb")
        self.shipping = JournalReader(self.store.path)
        self.clock = FakeClock()
        self.rejected: list[Rejected] = []
        config = InfluxConfig.model_validate({"url": server.url, "org": "o", "bucket": "b", "timeout": "1s"})
        self.client = InfluxClient(config, SecretStr(token))
        self.written = 0
        self.start()

    def start(self) -> None:
        """A new shipper on the same store, as after a restart."""
        self.shipper = Shipper(
            source=self.shipping,
            writer=self.client,
            acknowledge=lambda positions: self.store.acknowledge("influxdb", Batch((), positions)),
            set_aside=self.rejected.extend,
            settled=self.shipping.cursor("influxdb"),
            schedule=SendSchedule(batch=self.batch, catch_up=10_000, seed=1),
            clock=self.clock,
        )

    def write(self, count: int) -> None:
        """So many further rows."""
        self.store.write([probe(self.written + i) for i in range(count)])
        self.written += count

    def run(self, until: Callable[[], bool], *, seconds: int = 3600) -> None:
        """Take turns, moving the clock over the waits, until something holds."""
        end = self.clock.monotonic + seconds * NS_PER_S
        while not until():
            assert self.clock.monotonic < end, self.shipper.status
            self.clock.advance(max(1_000_000, self.shipper.turn()))

    def run_for(self, seconds: int) -> None:
        end = self.clock.monotonic + seconds * NS_PER_S
        self.run(lambda: self.clock.monotonic >= end, seconds=seconds + 60)

    def arrived(self) -> bool:
        return len(self.server.rows) >= self.written

    def expected(self) -> dict[str, str]:
        lines = [to_line(probe(i)).split(" ") for i in range(self.written)]
        return {f"{series} {time_ns}": fields for series, fields, time_ns in lines}

    def close(self) -> None:
        self.client.close()
        self.shipping.close()
        self.store.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with scripted_server() as server:
        rig = Rig(tmp_path, server)
        yield rig
        rig.close()


def test_rows_arrive_compressed_with_token_organisation_and_bucket(rig: Rig) -> None:
    rig.write(250)
    rig.run(rig.arrived)
    path, headers, lines = rig.server.requests[0]
    assert path == "/api/v2/write?org=o&bucket=b&precision=ns"
    assert headers["Authorization"] == "Token t0ken"
    assert headers["Content-Encoding"] == "gzip"
    assert len(lines) == 100
    assert rig.server.rows == rig.expected()


def test_an_account_writes_where_accounts_may(tmp_path: Path) -> None:
    with scripted_server() as server:
        rig = Rig(tmp_path, server, token="agent:secret")
        rig.write(1)
        rig.run(rig.arrived)
        path, headers, _ = server.requests[0]
        assert path == "/write?db=b&precision=ns"
        assert headers["Authorization"] == "Basic YWdlbnQ6c2VjcmV0"
        rig.close()


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(503)] * 3,
        [Answer(429, headers={"Retry-After": "20"})] * 2,
        [Answer(500, '{"message":"internal"}')] * 5,
        [RESET] * 3,
        [HANG],
        [Answer(401)] * 2,
        [Answer(403)],
        [Answer(404, '{"message":"bucket \\"b\\" not found"}')] * 2,
        [Answer(413)] * 4,
        [Answer(502, "<html>bad gateway</html>"), RESET, Answer(429), Answer(503, headers={"Retry-After": "2"})],
        [Answer(302, headers={"Location": "/login"})],
    ],
    ids=["503", "429", "500", "reset", "hang", "401", "403", "404", "413", "mixed", "redirect"],
)
def test_no_answer_loses_a_row(rig: Rig, answers: list[Answer]) -> None:
    rig.write(450)
    rig.server.script.extend(answers)
    rig.run(rig.arrived)
    assert rig.server.rows == rig.expected()
    assert rig.rejected == []
    rig.run_for(130)
    assert rig.shipping.waiting(rig.shipping.cursor("influxdb"), None).rows == 0
    assert rig.shipper.status.last_error == ""


def test_the_server_is_left_alone_for_as_long_as_it_asks(rig: Rig) -> None:
    rig.write(10)
    rig.server.script.append(Answer(429, headers={"Retry-After": "300"}))
    rig.run_for(250)
    assert len(rig.server.requests) == 1
    rig.run(rig.arrived)


def test_a_refusal_is_tried_slowly(rig: Rig) -> None:
    rig.write(10)
    rig.server.rule = lambda _lines: Answer(401, '{"message":"unauthorized access"}')
    rig.run_for(600)
    assert 8 <= len(rig.server.requests) <= 24
    assert rig.shipper.status.state == "refused"
    assert rig.shipper.status.last_error == "401 unauthorized access"
    rig.server.rule = lambda _lines: Answer()
    rig.run(rig.arrived)
    assert rig.shipper.status.state in ("catching up", "shipping")


def test_bad_lines_are_set_aside_and_everything_else_arrives(rig: Rig) -> None:
    bad = {f"{START + i * NS_PER_S}" for i in (0, 77, 78, 449)}

    def rule(lines: list[str]) -> Answer:
        refused = [line for line in lines if line.rsplit(" ", 1)[1] in bad]
        return Answer(400, '{"message":"unable to parse"}') if refused else Answer()

    rig.server.rule = rule
    rig.write(450)
    rig.run(lambda: len(rig.server.rows) == 446)
    assert {r.line.rsplit(" ", 1)[1] for r in rig.rejected} == bad
    assert {r.reason for r in rig.rejected} == {"400 unable to parse"}
    assert rig.shipper.status.rejected == 4
    assert rig.shipper.status.sent == 446


def test_a_proxy_that_refuses_everything_throws_nothing_away(rig: Rig) -> None:
    rig.write(40)
    rig.server.rule = lambda _lines: Answer(400, "<html>Bad Request</html>")
    rig.run_for(300)
    assert rig.rejected == []
    assert "every line is refused" in rig.shipper.status.last_error
    rig.server.rule = lambda _lines: Answer()
    rig.run(rig.arrived)
    assert rig.server.rows == rig.expected()


def test_a_server_with_a_small_limit_gets_small_writes(rig: Rig) -> None:
    rig.server.rule = lambda lines: Answer(413) if len(lines) > 30 else Answer()
    rig.write(1000)
    rig.run(rig.arrived)
    refused = sum(len(lines) > 30 for _, _, lines in rig.server.requests)
    assert refused < len(rig.server.requests) / 2
    assert rig.server.rows == rig.expected()


def test_after_an_outage_live_rows_go_first_and_the_backlog_follows(rig: Rig) -> None:
    rig.write(5)
    rig.run(rig.arrived)
    rig.server.rule = lambda _lines: RESET
    rig.write(3000)
    rig.run_for(60)
    outage = rig.written
    rig.server.rule = lambda _lines: Answer()
    asked = len(rig.server.requests)
    rig.write(5)
    rig.run(rig.arrived, seconds=120)
    kept = [lines for _, _, lines in rig.server.requests[asked:]]
    first_live = next(i for i, lines in enumerate(kept) if to_line(probe(outage)) in lines)
    oldest = next(i for i, lines in enumerate(kept) if to_line(probe(5)) in lines)
    assert first_live <= oldest or first_live <= 1
    assert rig.server.rows == rig.expected()


def test_live_rows_are_never_older_than_five_seconds_while_catching_up(rig: Rig) -> None:
    rig.write(60_000)
    rig.start()
    began = rig.clock.monotonic
    seen: dict[int, int] = {}
    ages: list[int] = []
    for second in range(5):
        born = rig.written
        rig.write(20)
        seen[born] = rig.clock.monotonic
        end = began + (second + 1) * NS_PER_S
        while rig.clock.monotonic < end:
            rig.clock.advance(max(20_000_000, min(rig.shipper.turn(), end - rig.clock.monotonic)))
            for number in [n for n in seen if f"probe,host=h,target=t {START + n * NS_PER_S}" in rig.server.rows]:
                ages.append(rig.clock.monotonic - seen.pop(number))
    assert rig.shipper.status.state == "catching up"
    assert len(ages) >= 4
    assert max(ages) <= 5 * NS_PER_S


def test_a_restart_resumes_from_the_durable_cursor(rig: Rig) -> None:
    rig.write(300)
    rig.run(rig.arrived)
    rig.run_for(130)
    rig.write(50)
    before = len(rig.server.requests)
    rig.start()
    rig.run(rig.arrived)
    again = [line for _, _, lines in rig.server.requests[before:] for line in lines]
    assert len(again) < 300, "what was settled is sent again"
    assert rig.server.rows == rig.expected()


def test_what_a_server_forgot_when_it_was_killed_is_sent_again(rig: Rig) -> None:
    rig.write(200)
    rig.run(rig.arrived)
    rig.server.rows.clear()
    rig.server.script.extend([RESET, RESET])
    rig.write(1)
    rig.run(rig.arrived)
    assert rig.server.rows == rig.expected()


def test_the_file_of_rejected_lines_groups_them_by_reason_and_is_bounded(tmp_path: Path) -> None:
    file = RejectedFile(tmp_path, largest_bytes=100)
    assert file.add([Rejected("a v=1i 1", "422 conflict"), Rejected("b v=1i 1", "422 conflict"), Rejected("c", "400")])
    assert file.path.read_text() == "# 422 conflict\na v=1i 1\nb v=1i 1\n# 400\nc\n"
    assert not file.add([Rejected("x" * 100, "400")])
    assert file.path.stat().st_size <= 100


def test_lines_added_while_the_others_are_sent_again_stay(tmp_path: Path) -> None:
    sending = RejectedFile(tmp_path)
    sending.add([Rejected("a v=1i 1", "422 conflict"), Rejected("b v=1i 1", "422 conflict")])
    assert sending.take() == ["a v=1i 1", "b v=1i 1"]
    RejectedFile(tmp_path).add([Rejected("c v=1i 1", "400 no")])  # the shipper, meanwhile
    sending.replace([Rejected("b v=1i 1", "422 conflict")])
    assert RejectedFile(tmp_path).take() == ["c v=1i 1", "b v=1i 1"]
    again = RejectedFile(tmp_path)
    again.take()
    again.replace([])
    assert not list(tmp_path.iterdir())
