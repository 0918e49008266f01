"""The shipper as a process: with a real database that is killed, and with settings that change under it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from qos.contract.config import Config, parse_config
from qos.contract.environment import SUPERVISED
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.contract.points import Point, Probe
from qos.shipping.run import run
from qos.shipping.shipper import Shipper
from qos.store.sqlite.store import SqliteStore
from tests.scripted_http import Answer, ScriptedServer, scripted_server
from tests.servers import Server, exported, victoria_server  # noqa: F401 - a fixture

PATIENCE_S = 120
START_NS = (time.time_ns() // 10**9 - 3 * 3600) * 10**9


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)


def probe(second: int, target: str) -> Point:
    at = START_NS + second * 10**9
    return Probe(time_ns=at, host="h", target=target, ok=1, rtt_ms=float(second), loss_ratio=0.0, sent=1, received=1)


def config_text(url: str, **keys: object) -> str:
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"host: h\ninterval: 200ms\ninfluxdb: {{url: '{url}', org: o{more}}}\n"


@contextmanager
def shipper_process(folder: Path, text: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``run`` in a process of its own, as the supervisor would start it."""
    (folder / "config.yaml").write_text(text)
    (folder / ".env").write_text("INFLUX_TOKEN=any\n")
    program = (
        "import sys, threading; from pathlib import Path; from qos.service.config_file import load_config;"
        "from qos.shipping.run import run; from qos.service import stop_on_signals;"
        "stop = threading.Event(); stop_on_signals(stop); folder = Path(sys.argv[1]); path = folder / 'config.yaml';"
        "sys.exit(run(load_config(path), path, folder, stop))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parents[3])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.server
def test_every_point_arrives_though_database_and_shipper_are_killed(
    tmp_path: Path,
    victoria_server: Server,  # noqa: F811 - the fixture imported above
) -> None:
    targets = ("8.8.8.8", "1.1.1.1", "192.0.2.1", "192.0.2.2")
    hour = [probe(second, target) for second in range(3600) for target in targets]
    slow, fast = (config_text(victoria_server.url, batch=200, catch_up=rate) for rate in (1500, 20_000))

    def stored() -> int:
        return sum(len(samples) for samples in exported(victoria_server, '{__name__="probe_rtt_ms"}').values())

    def all_there() -> bool:
        found = exported(victoria_server, '{__name__="probe_rtt_ms"}')
        return sum(len(samples) for samples in found.values()) == len(hour)

    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(hour)
        with shipper_process(tmp_path, slow) as shipper:
            wait_for(lambda: stored() > 2000)
            victoria_server.kill()
            time.sleep(1)
            victoria_server.start()
            wait_for(lambda: stored() > 1000)
            shipper.send_signal(signal.SIGKILL)
            shipper.wait()
        assert not all_there(), "everything had arrived before the kill: nothing was tested"
        with shipper_process(tmp_path, fast) as shipper:
            wait_for(all_there)
            shipper.terminate()
            assert shipper.wait(timeout=PATIENCE_S) == 0
    found = exported(victoria_server, '{__name__="probe_rtt_ms"}')
    assert len(found) == len(targets)
    for samples in found.values():
        assert samples == {START_NS // 10**6 + second * 1000: float(second) for second in range(3600)}


@pytest.mark.server
def test_a_database_that_is_killed_and_comes_back_gets_what_it_forgot(
    tmp_path: Path,
    victoria_server: Server,  # noqa: F811 - idem
) -> None:
    def stored() -> int:
        return sum(len(samples) for samples in exported(victoria_server, '{__name__="probe_rtt_ms"}').values())

    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(second, "t") for second in range(500)])
        with shipper_process(tmp_path, config_text(victoria_server.url)):
            wait_for(lambda: stored() == 500)
            victoria_server.kill()
            store.write([probe(second, "t") for second in range(500, 600)])
            time.sleep(1)
            victoria_server.start()
            wait_for(lambda: stored() == 600)


@contextmanager
def running(folder: Path, config: Config, path: Path | None = None) -> Iterator[None]:
    """``run`` in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(config, path, folder, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


def test_it_reports_how_shipping_goes(tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    server.rule = lambda _lines: Answer(503, '{"message":"busy"}')
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(second, "t") for second in range(50)])

        def said(key: str) -> object:
            return (store.get_state("part:shipper") or {}).get(key)

        with running(tmp_path, parse_config(config_text(server.url))):
            wait_for(lambda: said("last_error") == "503 busy")
            assert said("state") == "waiting"
            assert said("oldest_ns") == START_NS
            assert 50 <= int(str(said("rows"))) < 500
            server.rule = lambda _lines: Answer()
            wait_for(lambda: said("state") == "shipping" and int(str(said("sent"))) >= 50)
            wait_for(lambda: said("last_error") == "")
        assert said("state") == "stopped"
        rows = store.read("agent", ["outbox_rows", "points_written", "points_dropped"], where={"part": "shipper"})
        assert max(rows["outbox_rows"]) >= 50
        assert sum(rows["points_written"]) >= 50
        assert set(rows["points_dropped"]) == {0}


def test_lines_that_are_refused_are_kept_beside_the_store_and_counted(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    server.rule = lambda lines: Answer(400, "no") if any("target=bad" in line for line in lines) else Answer()
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(0, "good"), probe(0, "bad"), probe(1, "good")])
        with running(tmp_path, parse_config(config_text(server.url))):
            wait_for(lambda: sum(store.read("agent", ["points_dropped"])["points_dropped"]) >= 1)
    kept = (tmp_path / "outbox-rejected.lp").read_text().splitlines()
    assert kept[0] == "# 400 no"
    assert "target=bad" in kept[1]
    assert any("target=good" in row for row in server.rows)


def test_an_edit_of_the_settings_and_a_new_token_are_taken_up(tmp_path: Path, server: ScriptedServer) -> None:
    path = tmp_path / "config.yaml"
    (tmp_path / ".env").write_text("INFLUX_TOKEN=old\n")
    path.write_text(config_text("http://127.0.0.1:1"))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(0, "t")])
        with running(tmp_path, parse_config(path.read_text()), path):
            time.sleep(0.5)
            path.write_text(config_text(server.url, bucket="other"))
            wait_for(lambda: len(server.rows) > 0)
    sent_to, headers, _ = server.requests[0]
    assert "bucket=other" in sent_to
    assert headers["Authorization"] == "Token old"


def test_without_a_server_or_a_token_the_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="influxdb: is not set"):
        run(Config(), None, tmp_path, threading.Event())
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match="INFLUX_TOKEN is not set: run `autoqos stack init`"):
        run(parse_config(config_text("http://127.0.0.1:1")), path, tmp_path, threading.Event())


def events(store: SqliteStore, kind: str) -> list[str]:
    found: list[str] = store.read("event", ["subject"], where={"part": "shipper", "kind": kind})["subject"]
    return found


def test_a_part_without_a_token_says_so_and_takes_the_token_up(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    monkeypatch.setenv(SUPERVISED, "1")
    path = tmp_path / "config.yaml"
    path.write_text(config_text(server.url))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(0, "t")])

        def said(key: str) -> object:
            return (store.get_state("part:shipper") or {}).get(key)

        with running(tmp_path, parse_config(path.read_text()), path):
            wait_for(lambda: "INFLUX_TOKEN is not set" in str(said("last_error")))
            assert said("state") == "refused"
            assert events(store, "shipping_refused") == ["begin"]
            (tmp_path / ".env").write_text("INFLUX_TOKEN=any\n")
            wait_for(lambda: any("target=t" in row for row in server.rows))
            wait_for(lambda: events(store, "shipping_refused") == ["begin", "end"])


def test_a_refusal_leaves_two_events_and_two_log_lines_however_long_it_lasts(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    monkeypatch.setattr("qos.shipping.schedule._DENIED_WAIT_NS", 10**8)
    server.rule = lambda _lines: Answer(401, '{"message":"unauthorized access"}')
    with SqliteStore(tmp_path / "autoqos.db") as store, caplog.at_level("INFO"):
        store.write([probe(second, "t") for second in range(50)])
        with running(tmp_path, parse_config(config_text(server.url))):
            wait_for(lambda: len(server.requests) > 20)
            assert events(store, "shipping_refused") == ["begin"]
            server.rule = lambda _lines: Answer()
            wait_for(lambda: events(store, "shipping_refused") == ["begin", "end"])
    told = [r.message for r in caplog.records if r.name.startswith("qos.shipping") and "shipping to" not in r.message]
    assert len(told) == 2
    assert "refuses, points wait until somebody acts: 401 unauthorized access" in told[0]
    assert "takes points again" in told[1]


def test_a_state_goes_on_through_an_edit_and_a_restart_and_ends_once(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    monkeypatch.setattr("qos.shipping.schedule._DENIED_WAIT_NS", 10**8)
    server.rule = lambda _lines: Answer(404, '{"message":"bucket not found"}')
    path = tmp_path / "config.yaml"
    path.write_text(config_text(server.url))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(0, "t")])
        with running(tmp_path, parse_config(path.read_text()), path):
            wait_for(lambda: events(store, "shipping_refused") == ["begin"])
            before = len(server.requests)
            path.write_text(config_text(server.url, bucket="another"))
            wait_for(lambda: any("bucket=another" in sent for sent, _, _ in server.requests[before:]))
        before = len(server.requests)
        with running(tmp_path, parse_config(path.read_text()), path):
            wait_for(lambda: len(server.requests) > before + 3)
            assert events(store, "shipping_refused") == ["begin"]
            server.rule = lambda _lines: Answer()
            wait_for(lambda: events(store, "shipping_refused") == ["begin", "end"])


def test_a_damaged_store_is_tried_once_a_second_at_most_and_said_once(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    turns: list[float] = []

    def damaged(_: Shipper) -> int:
        turns.append(time.monotonic())
        raise StoreUnavailable("autoqos.db: is damaged", 0.0)

    monkeypatch.setattr(Shipper, "turn", damaged)
    with SqliteStore(tmp_path / "autoqos.db") as store, caplog.at_level("INFO"):
        with running(tmp_path, parse_config(config_text(server.url))):
            wait_for(lambda: len(turns) >= 4)
        assert events(store, "shipping_store_unreadable") == ["begin"]
    assert min(after - before for before, after in pairwise(turns)) >= 0.9
    assert sum("is damaged" in record.message for record in caplog.records) == 1


def test_whole_windows_of_the_coarse_history_arrive_in_their_own_buckets(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(second, "t") for second in range(0, 7200, 7)])
        assert store.maintain(time.time_ns(), budget_s=60)
        with running(tmp_path, parse_config(config_text(server.url, bucket="net"))):

            def rows(bucket: str) -> int:
                return sum(
                    line.startswith("probe,") and " n=" in line
                    for path, _, lines in list(server.requests)
                    for line in lines
                    if f"bucket={bucket}" in path.replace("%2F", "/")
                )

            wait_for(lambda: rows("net/5m") >= 24 and rows("net/1h") >= 2)


def test_without_coarse_only_raw_rows_go_and_nothing_is_said_to_wait(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VictoriaMetrics has one bucket for all: sums would count twice (docs/influxdb.md)."""
    monkeypatch.setenv("INFLUX_TOKEN", "any")
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write([probe(second, "t") for second in range(0, 7200, 7)])
        assert store.maintain(time.time_ns(), budget_s=60)
        with running(tmp_path, parse_config(config_text(server.url, coarse="false"))):
            wait_for(lambda: server.accepted > 1000)
            time.sleep(1)
            assert (store.get_state("part:shipper") or {})["history_waiting"] == 0
    assert not [line for _, _, lines in server.requests for line in lines if " n=" in line]
