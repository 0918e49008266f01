"""The loop with a store and a port of our own: what a person sets takes effect, and every doubt lets go."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from enforcer.congestion_control import Surroundings
from enforcer.datapath.session import DivertDatapath, Tools
from enforcer.loop import Loop, LoopStore
from enforcer.qdisc.codel import LINUX
from qos.contract.config import Config
from qos.contract.points import AppLimit, Event
from qos.packets.divert import Drained, FlowEvent, port_filter, wide_filter
from qos.packets.flows import SocketRow
from qos.policy.applications import Process
from qos.service import ConfigWatcher
from qos.service.config_file import load_config
from qos.system.clock import SYSTEM, Clock, monotonic_ns, wall_ns
from qos.system.echo_stream import StreamedReply
from qos.system.processes import Processes
from tests.enforcer.ports import FakePort, until
from tests.fakes import MemoryStore

PORT = 40_000


class NoEvents:
    """Flow events that never come."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def recv(self, timeout_s: float | None = None) -> list[FlowEvent]:
        self.over.wait(timeout_s)
        raise Drained

    def shutdown_recv(self) -> None:
        self.over.set()

    def close(self) -> None:
        self.over.set()


class OneProcess:
    """A system with one process, ``bulk``, PID 77."""

    family = "linux"

    def glance(self, pid: int) -> tuple[int, str] | None:
        return (1, "bulk") if pid == 77 else None

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        return Process(pid=77, started_ns=1, name="bulk", exe="/opt/bulk/bulk") if pid == 77 else None

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        return None

    def pids(self) -> list[int]:
        return [77]

    def refresh(self) -> None:
        pass


class NoEchoes:
    """Nobody is asked."""

    failed: str | None = None

    def run(self, targets: Sequence[str], period_ns: int) -> None:
        pass

    def take(self) -> list[StreamedReply]:
        return []

    def close(self) -> None:
        pass


class NoWatchdog:
    def beat(self) -> None:
        pass

    def close(self) -> None:
        pass


def loop_over(
    file: Path,
    config: Config,
    store: LoopStore,
    port: FakePort,
    clock: Clock,
    *,
    available: Callable[[], str | None] = lambda: None,
    tidy: Callable[[], None] = lambda: None,
) -> Loop:
    """The real loop and diverting datapath over a port of no packets; the application "bulk" has one socket."""
    tools = Tools(
        port=port,
        clock=clock,
        processes=Processes(reader=OneProcess()),  # type: ignore[arg-type]  # family is a literal there
        platform=LINUX,
        max_ports=32,
        events=NoEvents,
        sockets=lambda: [SocketRow(17, 4, b"\x0a\0\0\1", PORT, 77)],
        watchdog=NoWatchdog,
        available=available,
        tidy=tidy,
        interfaces=lambda: [(1, "lo")],
    )
    around = Surroundings(echoes=NoEchoes(), network=lambda: None)
    watcher, datapath = ConfigWatcher(file), DivertDatapath(tools)
    return Loop(config, store, datapath, watcher, clock=clock, processes=tools.processes, surroundings=around)


class Bench:
    """A loop and everything around it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "config.yaml"
        self.file.write_text(text, encoding="utf-8")
        self.store, self.port, self.tidied = MemoryStore(), FakePort(), 0
        self.why: str | None = None
        config = load_config(self.file)
        self.loop = loop_over(
            self.file, config, self.store, self.port, SYSTEM, available=lambda: self.why, tidy=self.tidy
        )

    def tidy(self) -> None:
        self.tidied += 1

    def limit(self, **values: Any) -> None:
        document = {"priority": None, "down_bps": None, "up_bps": None, "until_ns": None, "set_ns": 0}
        self.store.set_state("override:app:bulk", document | values)

    @property
    def limits(self) -> dict[str, Any]:
        found = self.store.get_state("limits")
        assert isinstance(found, dict)
        return found

    def rounds_until(self, state: str) -> None:
        def reached() -> bool:
            self.loop.round()
            return bool((self.store.get_state("part:enforcer") or {}).get("state") == state)

        until(reached)

    def events(self, kind: str) -> list[str]:
        return [point.message for point in self.store.points if isinstance(point, Event) and point.kind == kind]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Bench] = []

    def bench(text: str = "mode: enforce\n") -> Bench:
        made.append(Bench(tmp_path, text))
        return made[-1]

    yield bench
    for one in made:
        one.loop.close()


def test_with_nobody_limited_nothing_is_open(make: Any) -> None:
    bench = make()
    bench.loop.round()
    assert bench.port.log == []
    assert bench.limits["state"] == "idle"


def test_observing_decides_but_never_opens_a_handle(make: Any) -> None:
    bench = make("mode: observe\n")
    bench.limit(down_bps=1_000_000)
    bench.loop.round()
    assert bench.port.log == []
    assert bench.limits["state"] == "observing"
    assert bench.limits["apps"]["bulk"]["down_bps"] is None
    assert {"subject": "down", "cause": "hand", "value": 1_000_000} in bench.limits["apps"]["bulk"]["reasons"]


def test_a_limit_set_by_hand_is_in_force_in_the_next_round_and_gone_after_it_is_lifted(make: Any) -> None:
    bench = make()
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    assert f"open {port_filter('udp', {PORT}).text}" in bench.port.log
    assert f"open {wide_filter('tcp')}" in bench.port.log
    assert bench.limits["apps"]["bulk"]["down_bps"] == 1_000_000
    bench.store.delete_state("override:app:bulk")
    bench.rounds_until("idle")
    until(lambda: (bench.loop.round(), "close sender" in bench.port.log)[1])
    rows = [point for point in bench.store.points if isinstance(point, AppLimit)]
    assert (rows[0].active, rows[0].down_bps, rows[-1].active) == (1, 1_000_000, 0)
    assert bench.events("limit")
    assert bench.events("unlimit")


def test_a_limit_with_an_end_ends(make: Any) -> None:
    bench = make()
    bench.limit(down_bps=1_000_000, until_ns=wall_ns() + 300_000_000)
    bench.rounds_until("enforcing")
    bench.rounds_until("idle")


def test_pausing_closes_every_handle_at_once_and_resuming_opens_them(make: Any) -> None:
    bench = make()
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    bench.store.set_state("override:pause", {"until_ns": None, "set_ns": 0})
    bench.loop.round()
    assert bench.port.log[-1] == "close sender"
    assert bench.limits["state"] == "paused"
    assert bench.tidied
    bench.store.delete_state("override:pause")
    bench.rounds_until("enforcing")


def test_a_dry_run_decides_and_reports_and_opens_nothing(make: Any) -> None:
    bench = make("mode: dry_run\n")
    bench.limit(up_bps=2_000_000)
    bench.loop.round()
    assert bench.port.log == []
    assert bench.limits["apps"]["bulk"]["up_bps"] == 2_000_000
    assert bench.events("dry_run") == ["would hold it to up 2.0 Mbit/s"]
    assert not [point for point in bench.store.points if isinstance(point, AppLimit)]


def test_a_failure_lets_go_says_why_and_is_tried_again_after_the_hold_off(make: Any) -> None:
    bench = make("mode: enforce\nenforcer: {hold_off: 300ms}\n")
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    bench.port.receivers[wide_filter("tcp")].queue.put(RuntimeError("injected"))
    bench.rounds_until("holding_off")
    assert bench.port.log[-1] == "close sender"
    assert "injected" in bench.events("let_go")[0]
    assert "injected" in bench.limits["reason"]
    assert bench.limits["apps"]["bulk"]["down_bps"] is None
    bench.rounds_until("enforcing")


def test_a_machine_that_cannot_divert_says_so_once_and_goes_on(make: Any) -> None:
    bench = make()
    bench.why = "not root: run it with sudo"
    bench.limit(down_bps=1_000_000)
    for _ in range(5):
        bench.loop.round()
    assert bench.limits["state"] == "holding_off"
    assert bench.events("let_go") == ["packets cannot be diverted here: not root: run it with sudo"]
    assert bench.port.log == []


def test_a_good_edit_takes_effect_and_a_bad_one_keeps_the_old_settings(make: Any) -> None:
    bench = make("mode: observe\n")
    bench.limit(down_bps=1_000_000)
    bench.loop.round()
    bench.file.write_text("mode: enforce\n# longer\n", encoding="utf-8")
    bench.rounds_until("enforcing")
    bench.file.write_text("mode: enforce\napps: [{match: a, schedule: never}]\n", encoding="utf-8")
    until(lambda: (bench.loop.round(), len(bench.events("config")) == 2)[1])
    assert "apps[0].schedule" in bench.events("config")[-1]
    assert bench.limits["state"] == "enforcing"


def test_level_0_is_never_held_even_with_a_limit(make: Any) -> None:
    bench = make()
    bench.limit(priority=0, down_bps=1_000_000)
    bench.loop.round()
    assert bench.port.log == []
    assert {"subject": "limits", "cause": "critical"} in bench.limits["apps"]["bulk"]["reasons"]


def test_a_store_that_cannot_be_written_leaves_the_limits_in_force(make: Any) -> None:
    from qos.contract.errors import StoreUnavailable

    bench = make()
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    bench.store.failure = StoreUnavailable("disk full")
    for _ in range(3):
        bench.loop.round()
    bench.store.failure = None
    assert "close sender" not in bench.port.log
    bench.loop.round()


def test_stopping_closes_everything_and_says_so(make: Any) -> None:
    bench = make()
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    bench.loop.close()
    assert bench.port.log[-1] == "close sender"
    assert bench.limits["state"] == "stopped"
    assert bench.store.get_state("part:enforcer")["state"] == "stopped"


class CountingLoop(Loop):
    """A loop that counts its rounds."""

    rounds = 0

    def round(self) -> None:
        self.rounds += 1
        super().round()


def test_many_new_flows_do_not_start_a_round_each(make: Any) -> None:
    bench = make()
    bench.limit(down_bps=1_000_000)
    bench.loop.__class__ = CountingLoop
    stop = threading.Event()
    thread = threading.Thread(target=bench.loop.run, args=(stop,))
    thread.start()
    until(lambda: bench.loop._datapath is not None)
    before, end = bench.loop.rounds, monotonic_ns() + 10**9
    while monotonic_ns() < end:
        bench.loop._datapath._flow_owners.changed.set()
        stop.wait(0.002)
    rounds = bench.loop.rounds - before
    stop.set()
    thread.join()
    assert rounds <= 25


def test_a_limit_that_comes_and_goes_does_not_flap_the_state(make: Any) -> None:
    bench = make()
    for _ in range(6):
        bench.limit(down_bps=1_000_000)
        bench.rounds_until("enforcing")
        bench.store.delete_state("override:app:bulk")
        bench.loop.round()
    assert len([said for said in bench.events("state") if said.startswith("enforcing")]) == 1
    assert not [said for said in bench.events("state")[1:] if said.startswith("idle")]


class Games:
    """The running game, for the loop."""

    def __init__(self) -> None:
        self.name: str | None = None

    def playing(self, now_ns: int, setting: str) -> str | None:
        return self.name if setting != "off" else None


def test_a_game_lets_every_handle_go_and_its_end_brings_them_back(make: Any) -> None:
    bench = make()
    bench.loop._games = games = Games()
    bench.limit(down_bps=1_000_000)
    bench.rounds_until("enforcing")
    tidied, games.name = bench.tidied, "game.exe"
    bench.rounds_until("paused")
    assert "close sender" in bench.port.log
    assert bench.tidied > tidied, "the driver is let go"
    assert "game mode: game.exe runs" in bench.limits["reason"]
    games.name = None
    bench.rounds_until("enforcing")
    assert bench.events("game_mode") == [
        "runs: nobody is limited until it ends",
        "ended: limits are in force again",
    ]


def test_where_a_driver_is_loaded_rules_without_their_application_open_nothing(make: Any) -> None:
    rule = "mode: enforce\napps: [{match: notrunning, down: 1mbit}]\n"
    early, late = make(rule), make(rule)
    late.loop._open_early = False
    early.rounds_until("enforcing")
    late.rounds_until("idle")
    assert "open sender" in early.port.log
    assert late.port.log == []
