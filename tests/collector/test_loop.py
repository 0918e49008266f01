import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.accounting.tick_schedule import TickSchedule
from collector.capture import CaptureUnavailable
from collector.capture.runner import Opened
from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.meter import InterfaceMeter
from collector.interfaces.selection import Interface
from collector.loop import CollectorLoop
from collector.probes.prober import Prober
from collector.probes.result import ProbeResult
from collector.probing import own_probes
from qos.contract.config import CollectorConfig, Config, parse_config
from qos.contract.documents.limits import EnforcedApp, Limits
from qos.contract.errors import ConfigError, StoreUnavailable
from qos.contract.points import Event, LagIncident, Point
from qos.service import ConfigWatcher
from qos.service.config_file import load_config
from qos.system.echo import EchoReply
from qos.system.processes import Processes
from tests.collector.capture.fake_capture import FakeCapture, delta
from tests.fakes import FakeClock, MemoryStore

S = 10**9
PATIENCE_S = 30


class Host:
    """One interface whose counters the test moves."""

    def __init__(self) -> None:
        self.rx = self.tx = 0

    def moved(self, rx: int, tx: int = 0) -> None:
        self.rx, self.tx = self.rx + rx, self.tx + tx

    def __call__(self) -> tuple[Interface, ...]:
        return (Interface("eth0", 2, "physical", 0, InterfaceCounters(rx_bytes=self.rx, tx_bytes=self.tx)),)


def quiet_prober(config: Config) -> Prober:
    return Prober((), interval_ns=S, timeout_ns=S, window_ns=S)


class Answers(Prober):
    """Probes whose answers the test gives."""

    def __init__(self) -> None:
        super().__init__((), interval_ns=S, timeout_ns=S, window_ns=S)
        self.given: list[ProbeResult] = []

    def answered(self, sent_ns: int, ms: int) -> None:
        self.given.append(ProbeResult(sent_ns, "9.9.9.9", ms * 10**6, "", None, 0.0, sent_ns=sent_ns))

    def collect(self) -> tuple[ProbeResult, ...]:
        found, self.given = tuple(self.given), []
        return found


class Rig:
    """A loop with everything around it by hand; ``tick`` is one tick after ``seconds``."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        path: Path | None = None,
        prober: Callable[[Config], Prober] = quiet_prober,
    ) -> None:
        self.config = config or Config(host="pc")
        self.clock, self.store, self.host, self.capture = FakeClock(), MemoryStore(), Host(), FakeCapture()
        self.loop = CollectorLoop(
            self.config,
            self.store,
            opener=self.open,
            watcher=ConfigWatcher(path),
            time=self.clock,
            processes=Processes(),
            meter=InterfaceMeter(["*"], self.host),
            prober=prober,
        )
        self.schedule = TickSchedule(self.config.interval, self.clock.monotonic, self.clock.wall)
        self.loop.begin(self.clock.monotonic)

    def open(self, config: Config) -> Opened:
        self.capture.start()
        return Opened(self.capture, f"fake for {config.collector.capture}")

    def tick(self, seconds: float = 1, *, last: bool = False) -> None:
        self.clock.advance(int(seconds * S))
        now_ns = self.clock.monotonic
        self.loop.tick(self.schedule.arrive(now_ns, self.clock.wall), now_ns, last=last)

    def points(self, measurement: str) -> list[Any]:
        return [p for p in self.store.points if measurement == p.MEASUREMENT]

    def events(self, kind: str) -> list[str]:
        return [p.message for p in self.store.points if isinstance(p, Event) and p.kind == kind]


def test_a_tick_writes_everything_at_once_and_the_live_document_with_it() -> None:
    rig = Rig()
    rig.host.moved(1000)
    rig.capture.moved(delta(2**22 + 1, 900), lost=2, notes=("half blind",))
    rig.tick(last=True)
    assert {p.MEASUREMENT for p in rig.store.points} == {
        "app_traffic", "process_traffic", "host_traffic", "agent", "event",
    }  # fmt: skip
    assert rig.points("app_traffic")[0].rx_bytes == 900
    assert rig.points("host_traffic")[0].unattributed_rx_bytes == 100
    assert rig.points("agent")[0].capture_lost == 2
    live = rig.store.get_state("live")
    assert live is not None
    assert (live["backend"], live["lost"], live["coverage"], live["notes"]) == ("fake", 2, 0.9, ["half blind"])
    heart = rig.store.get_state("part:collector")
    assert heart is not None
    assert (heart["state"], heart["backend"]) == ("running", "fake")
    assert rig.events("note") == ["half blind"]


def test_lag_that_begins_after_a_tick_is_shown_before_the_next_one_and_no_answer_is_lost() -> None:
    answers = Answers()
    rig = Rig(Config(host="pc", collector=CollectorConfig(targets=("9.9.9.9",))), prober=lambda _: answers)
    for _ in range(20):
        answers.answered(rig.clock.monotonic + S // 2, 20)
        rig.tick()
    now_ns, written = rig.clock.monotonic, len(rig.points("probe"))
    for at in range(3):
        answers.answered(now_ns + at * S // 3, 220)
    rig.clock.advance(S * 3 // 4)
    rig.loop.glance(rig.clock.monotonic)
    live = rig.store.get_state("live")
    assert live is not None
    assert (live["lag"]["cause"], live["lag"]["extra_ms"]) == ("unknown", 200.0)
    assert (live["time_ns"], rig.points("lag_incident")) == (rig.clock.wall - S * 3 // 4, [])
    rig.tick(0.25)
    assert len(rig.points("probe")) == written + 3
    assert [p.running for p in rig.points("lag_incident")] == [1]


def test_a_clock_set_back_an_hour_costs_nothing() -> None:
    rig = Rig()
    for _ in range(3):
        rig.host.moved(1000)
        rig.capture.moved(delta(2**22 + 1, 1000))
        rig.tick()
    rig.clock.set_wall(rig.clock.wall - 3600 * S)
    for _ in range(3):
        rig.host.moved(1000)
        rig.capture.moved(delta(2**22 + 1, 1000))
        rig.tick()
    rows = rig.points("app_traffic")
    assert [p.rx_bytes for p in rows] == [1000] * 6
    assert len({p.time_ns for p in rows}) == 6
    assert rows[3].time_ns == rows[2].time_ns - 3599 * S
    assert sum(p.rx_bytes for p in rig.points("host_traffic")) == 6000
    assert rig.events("clock") == ["the wall clock was set by -3600 s; measuring goes on"]
    assert {live_bps(rig)} == {8000}


def live_bps(rig: Rig) -> int:
    live = rig.store.get_state("live")
    assert live is not None
    bps: int = live["host_traffic"]["rx_bps"]
    return bps


def test_after_sleep_counters_begin_anew_and_the_gap_is_told() -> None:
    rig = Rig()
    rig.tick()
    rig.host.moved(10**12)
    rig.capture.moved(delta(2**22 + 1, 10**12))
    rig.tick(8 * 3600)
    rig.host.moved(1000)
    rig.capture.moved(delta(2**22 + 1, 1000))
    rig.tick()
    assert sum(p.rx_bytes for p in rig.points("app_traffic")) == 1000
    assert sum(p.rx_bytes for p in rig.points("host_traffic")) == 1000
    assert rig.events("gap") == ["no tick for 28800 s (asleep or stalled): counters begin anew"]
    live = rig.store.get_state("live")
    assert live is not None
    assert live["ticks_skipped"] == 8 * 3600 - 1


def test_an_unavailable_store_loses_nothing_and_is_noted_once_it_is_back() -> None:
    rig = Rig()
    rig.store.failure = StoreUnavailable("disk full", retry_after_s=0)
    for _ in range(5):
        rig.capture.moved(delta(2**22 + 1, 1000))
        rig.tick()
    assert rig.store.points == []
    rig.store.failure = None
    rig.tick()
    assert sum(p.rx_bytes for p in rig.points("app_traffic")) == 5000
    assert rig.points("agent")[-1].outbox_rows > 0
    rig.tick()
    assert rig.points("agent")[-1].outbox_rows == 0


def test_interfaces_that_cannot_be_read_leave_the_applications_measured() -> None:
    rig = Rig()

    def broken() -> tuple[Interface, ...]:
        raise OSError(5, "no netlink")

    rig.loop._meter = InterfaceMeter(["*"], broken)
    rig.capture.moved(delta(2**22 + 1, 1000))
    rig.tick()
    rig.tick()
    assert len(rig.points("app_traffic")) == 1
    assert rig.points("host_traffic") == []
    assert rig.events("note") == ["interface counters cannot be read: no netlink"]


def test_the_lines_capacity_is_a_point_at_once_and_every_minute_where_it_is_set() -> None:
    rig = Rig(parse_config("host: pc\nlink: {down: 90mbit}"))
    for _ in range(125):
        rig.tick()
    assert [(p.down_bps, p.up_bps) for p in rig.points("link")] == [(90_000_000, None)] * 3
    bare = Rig()
    bare.tick()
    assert bare.points("link") == []


def test_the_enforcers_level_is_repeated_in_the_points() -> None:
    rig = Rig()
    rig.store.set_state("limits", {"time_ns": rig.clock.wall, "apps": {"curl": {"priority": 1}}})
    rig.capture.moved(delta(2**22 + 1, 1000))
    rig.tick()
    assert rig.points("app_traffic")[0].priority == 1


@contextmanager
def running(config_path: Path, store: MemoryStore, **options: Any) -> Iterator[CollectorLoop]:
    """A real loop in a thread, on real time."""
    loop = CollectorLoop(
        load_config(config_path),
        store,
        watcher=ConfigWatcher(config_path),
        **{"opener": lambda _: Opened(FakeCapture(), "fake"), "prober": quiet_prober, **options},
    )
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield loop
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def events(store: MemoryStore, kind: str) -> list[str]:
    return [p.message for p in list(store.points) if isinstance(p, Event) and p.kind == kind]


def test_a_config_broken_while_running_keeps_the_old_settings_and_says_why(tmp_path: Path) -> None:
    path, store = tmp_path / "config.yaml", MemoryStore()
    path.write_text("interval: 100ms\nhost: pc\n", encoding="utf-8")
    made: list[tuple[str, ...]] = []

    def prober(config: Config) -> Prober:
        made.append(config.collector.targets)
        return Prober(config.collector.targets, interval_ns=S, timeout_ns=S, window_ns=S, ask=lambda *_: EchoReply(1))

    with running(path, store, prober=prober) as loop:
        until(lambda: any(p.MEASUREMENT == "agent" for p in list(store.points)))
        path.write_text("interval: 100ms\nhost: pc\ncollector:\n  targets: [1.1.1.1, 1.1.1.1]\n  tarjets: 5\n", "utf-8")
        until(lambda: len(events(store, "config_error")) >= 3)
        wrong = events(store, "config_error")
        assert any("collector.targets: a target is listed twice" in line for line in wrong)
        assert any("collector.tarjets: no such key" in line for line in wrong)
        assert loop.config.collector.targets == parse_config("{}").collector.targets
        until(lambda: any("tarjets" in note for note in (store.get_state("live") or {"notes": ()})["notes"]))
        path.write_text(
            "interval: 200ms\nhost: other\nretention: {raw: 1h}\ncollector:\n  targets: [9.9.9.9]\n", encoding="utf-8"
        )
        until(lambda: events(store, "config") != [])
        until(lambda: (store.get_state("live") or {}).get("host") == "other")
        live = store.get_state("live")
        assert live is not None
        assert live["notes"] == []
        assert live["interval_ns"] == S // 5
        assert made[-1] == ("9.9.9.9",)
        assert store.retention.raw == 3600 * S
        until(lambda: any(p.MEASUREMENT == "probe" and p.tags["target"] == "9.9.9.9" for p in list(store.points)))


def test_an_edit_is_in_force_within_two_seconds_even_with_a_long_interval(tmp_path: Path) -> None:
    path, store = tmp_path / "config.yaml", MemoryStore()
    path.write_text("interval: 60s\nhost: pc\n", encoding="utf-8")
    with running(path, store) as loop:
        until(lambda: store.get_state("part:collector") is not None)
        path.write_text("interval: 60s\nhost: other\n", encoding="utf-8")
        began = time.monotonic()
        until(lambda: loop.config.host == "other")
        assert time.monotonic() - began < 10  # two, with allowance for a loaded machine
    assert [p.tags["host"] for p in store.points if p.MEASUREMENT == "agent"] == ["other"]  # the last, short tick


def test_a_capture_backend_that_is_missing_leaves_host_and_probes_measured(tmp_path: Path) -> None:
    path, store = tmp_path / "config.yaml", MemoryStore()
    path.write_text("interval: 100ms\ncollector:\n  targets: [192.0.2.1]\n", encoding="utf-8")

    def missing(_: Config) -> Opened:
        raise CaptureUnavailable("needs root: start it with sudo")

    def prober(config: Config) -> Prober:
        return Prober(
            config.collector.targets, interval_ns=S // 10, timeout_ns=S, window_ns=S, ask=lambda *_: EchoReply(7)
        )

    host = Host()
    with running(path, store, opener=missing, prober=prober, meter=InterfaceMeter(["*"], host)):
        until(lambda: {"host_traffic", "probe"} <= {p.MEASUREMENT for p in list(store.points)})
        live = store.get_state("live")
    assert live is not None
    assert (live["backend"], live["backend_reason"]) == ("none", "needs root: start it with sudo")
    assert events(store, "capture") == ["needs root: start it with sudo"]
    heart = store.get_state("part:collector")
    assert heart is not None
    assert heart["state"] == "stopped"


def test_a_backend_named_in_the_config_that_cannot_run_is_told_at_the_start() -> None:
    store = MemoryStore()

    def missing(_: Config) -> Opened:
        raise ConfigError("collector.capture: kernel cannot run here: needs root")

    config = parse_config("collector: {capture: kernel}")
    loop = CollectorLoop(config, store, opener=missing, watcher=ConfigWatcher(None), prober=quiet_prober)
    with pytest.raises(ConfigError, match=r"collector\.capture"):
        loop.run(threading.Event())


def test_stopping_writes_the_last_bytes_and_says_stopped(tmp_path: Path) -> None:
    path, store, capture, host = tmp_path / "config.yaml", MemoryStore(), FakeCapture(), Host()
    path.write_text("interval: 60s\n", encoding="utf-8")
    with running(path, store, opener=lambda _: Opened(capture, "fake"), meter=InterfaceMeter(["*"], host)):
        until(lambda: store.get_state("part:collector") is not None)
        capture.moved(delta(2**22 + 1, 700))
        host.moved(1000)
    points: list[Point] = store.points
    assert [p.values["rx_bytes"] for p in points if p.MEASUREMENT == "app_traffic"] == [700]
    assert [p.values["unattributed_rx_bytes"] for p in points if p.MEASUREMENT == "host_traffic"] == [300]
    assert capture.stopped >= 1
    heart = store.get_state("part:collector")
    assert heart is not None
    assert heart["state"] == "stopped"


def _outcome(answer_bytes: int) -> ProbeResult:
    rtt_ns = 5_000_000 if answer_bytes else None
    return ProbeResult(1, "t", rtt_ns, "" if answer_bytes else "timeout", None, 0.0, answer_bytes)


@pytest.mark.parametrize(("backend", "sent"), [("kernel", False), ("divert", True), ("sockdiag", True)])
def test_our_own_answered_probes_are_our_traffic(backend: str, sent: bool) -> None:
    (mine,) = own_probes([_outcome(84), _outcome(0), _outcome(104)], backend)
    assert mine.owner is not None
    assert mine.owner.pid == os.getpid()
    assert (mine.rx_bytes, mine.rx_packets) == (188, 2)
    assert (mine.tx_bytes, mine.tx_packets) == ((188, 2) if sent else (0, 0))


def test_unanswered_probes_are_nobodys_traffic() -> None:
    assert own_probes([_outcome(0)], "kernel") == ()


def test_bytes_that_the_shaper_dropped_are_the_limited_application_s_and_not_unattributed() -> None:
    rig = Rig()

    for dropped in (5_000, 5_700, 6_400):  # the first were dropped before this collector ran
        apps = {"autoqos": EnforcedApp(4, down_bps=10**6, dropped_down_bytes=dropped)}
        document = Limits(rig.clock.wall, "enforce", "enforcing", apps=apps).dump()
        rig.store.write([], states={Limits.KEY: document})
        rig.host.moved(1000)
        rig.capture.moved(delta(os.getpid(), 1000 if dropped == 5_000 else 300))
        rig.tick()
    rig.tick(last=True)
    assert sum(p.rx_bytes for p in rig.points("app_traffic")) == 3000
    assert sum(p.unattributed_rx_bytes for p in rig.points("host_traffic")) == 0


def test_an_incident_that_a_killed_collector_left_running_is_ended_at_the_start() -> None:
    rig = Rig()
    left = LagIncident(
        time_ns=rig.clock.wall - 3600 * S, host="pc", duration_s=5.0, extra_ms=90.0, loss_ratio=0.0, cause="others",
        confidence=0.7, running=1, evidence="e",
    )  # fmt: skip
    rig.store.write([left])
    rig.loop.begin(rig.clock.monotonic)
    found = rig.points("lag_incident")
    assert [(row.time_ns, row.running, row.duration_s) for row in found[-1:]] == [(left.time_ns, 0, 5.0)]
