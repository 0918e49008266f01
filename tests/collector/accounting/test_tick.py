from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.accounting.live_document import MAX_SHOWN, live_document
from collector.accounting.tick import MAX_PROCESSES, TrafficAccounts
from collector.capture import Delta, Owner
from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.meter import InterfaceDelta
from qos.contract.documents.live import LiveProbe, LiveRow, LiveTraffic
from qos.contract.points import AppTraffic, HostTraffic, Point, ProcessTraffic
from qos.policy.applications import OTHER, ProcessIdentity
from tests.collector.capture.fake_capture import delta

S = 10**9
NOW = 1_700_000_000 * S


def who(pid: int, app: str, *, background: bool = False) -> ProcessIdentity:
    return ProcessIdentity(pid=pid, started_ns=NOW, app=app, name=app, exe="", service=False, background=background)


def eth(rx: int, tx: int, name: str = "eth0") -> InterfaceDelta:
    return InterfaceDelta(name, InterfaceCounters(rx, tx, rx // 1000, tx // 1000, 1, 2, 3, 4))


def level_of(app: str, _: ProcessIdentity) -> int:
    return 0 if app == "zoom" else 3


T = TypeVar("T", bound=Point)


def of(kind: type[T], points: tuple[Point, ...]) -> list[T]:
    return [p for p in points if isinstance(p, kind)]


def test_one_tick_gives_each_application_its_sum_and_each_interface_its_counters() -> None:
    accounts = TrafficAccounts("pc", 500)
    moved = [
        (delta(5, 1000, 100), who(5, "zoom")),
        (delta(6, 2000, 0, flows=2), who(6, "zoom")),
        (delta(7, 0, 500), who(7, "curl")),
        (delta(None, 400, 0), None),
    ]
    points = accounts.record(NOW, S, moved, [eth(3400, 600)], level_of, last=True)
    zoom, curl = of(AppTraffic, points)
    assert (zoom.app, zoom.rx_bytes, zoom.tx_bytes, zoom.flows, zoom.processes, zoom.priority) == (
        "zoom", 3000, 100, 3, 2, 0,
    )  # fmt: skip
    assert (curl.app, curl.tx_bytes, curl.priority) == ("curl", 500, 3)
    (host,) = of(HostTraffic, points)
    assert (host.rx_bytes, host.tx_bytes, host.unattributed_rx_bytes, host.unattributed_tx_bytes) == (3400, 600, 400, 0)
    assert (host.rx_drops, host.tx_drops, host.rx_errors, host.tx_errors) == (1, 2, 3, 4)
    assert [(p.app, p.pid, p.rx_bytes) for p in of(ProcessTraffic, points)] == [
        ("zoom", "5", 1000), ("zoom", "6", 2000), ("curl", "7", 0),
    ]  # fmt: skip
    assert accounts.coverage == 3600 / 4000
    assert {p.time_ns for p in points} == {NOW}


def test_only_who_had_traffic_gets_a_row_and_every_interface_does() -> None:
    accounts = TrafficAccounts("pc", 500)
    accounts.record(NOW, S, [(delta(5, 1000), who(5, "zoom"))], [eth(1000, 0)], level_of)
    quiet = accounts.record(NOW + S, S, [(delta(5, 0, 0), who(5, "zoom"))], [eth(0, 0), eth(0, 0, "wlan0")], level_of)
    assert [p.MEASUREMENT for p in quiet] == ["host_traffic", "host_traffic"]
    assert accounts.apps["zoom"].rx_bytes == 1000
    assert accounts.apps["zoom"].rx_bps == 0


def test_rates_are_bits_per_second_over_the_time_that_passed() -> None:
    accounts = TrafficAccounts("pc", 500)
    accounts.record(NOW, S // 2, [(delta(5, 1000), who(5, "zoom"))], [eth(1000, 0)], level_of)
    assert accounts.apps["zoom"].rx_bps == 16_000
    assert accounts.total.rx_bps == 16_000
    accounts.record(NOW, 0, [(delta(5, 1000), who(5, "zoom"))], [eth(1000, 0)], level_of)
    assert accounts.apps["zoom"].rx_bps == 0


def test_an_application_is_in_the_background_when_all_its_processes_are() -> None:
    accounts = TrafficAccounts("pc", 500)
    accounts.record(NOW, S, [(delta(5, 1), who(5, "a", background=True))], [], level_of)
    assert accounts.apps["a"].background
    accounts.record(NOW, S, [(delta(6, 1), who(6, "a"))], [], level_of)
    assert not accounts.apps["a"].background


def test_names_beyond_the_limit_are_other() -> None:
    accounts = TrafficAccounts("pc", 2)
    moved = [(delta(pid, 10), who(pid, f"app{pid}")) for pid in range(5)]
    points = accounts.record(NOW, S, moved, [], level_of)
    assert {p.app: p.rx_bytes for p in of(AppTraffic, points)} == {"app0": 10, "app1": 10, OTHER: 30}


def test_five_thousand_processes_stay_bounded_and_no_byte_is_lost() -> None:
    accounts = TrafficAccounts("pc", 500)
    for tick in range(5):
        moved = [(delta(pid, 10), who(pid, f"app{pid % 7}")) for pid in range(tick * 1000, (tick + 1) * 1000)]
        accounts.record(NOW + tick * 61 * S, S, moved, [eth(10_000, 0)], level_of)
    assert len(accounts.processes) <= MAX_PROCESSES
    assert sum(app.rx_bytes for app in accounts.apps.values()) == 50_000
    document = live_document(
        accounts, now_ns=NOW, started_ns=NOW, interval_ns=S, backend="b", backend_reason="", blind_to=(), lost=0,
        probes=(), notes=(), skipped=0,
    )  # fmt: skip
    assert len(document.processes) == MAX_SHOWN


def test_the_live_document_shows_totals_rates_and_who_is_hidden() -> None:
    accounts = TrafficAccounts("pc", 500)
    accounts.record(
        NOW, S, [(delta(5, 1000, 10), who(5, "zoom", background=True))], [eth(1000, 20)], level_of, last=True
    )
    document = live_document(
        accounts, now_ns=NOW, started_ns=NOW - S, interval_ns=S, backend="kernel", backend_reason="why",
        blind_to=("x",), lost=3, probes=[LiveProbe("t", True)], notes=["n"], skipped=4,
    )  # fmt: skip
    assert document.processes == (
        LiveRow(
            app="zoom", pid=5, rx_bytes=1000, tx_bytes=10, rx_bps=8000, tx_bps=80, flows=1, processes=1,
            background=True, priority=0, name="zoom", started_ns=NOW,
        ),
    )  # fmt: skip
    assert document.apps[0].processes == 1
    assert document.unattributed == LiveTraffic(rx_bytes=0, tx_bytes=10, rx_bps=0, tx_bps=80)
    assert document.host_traffic.tx_bytes == 20
    assert document.coverage == round(1010 / 1020, 4)
    assert (document.probes, document.lost) == ((LiveProbe("t", True),), 3)
    assert (document.notes, document.ticks_skipped) == (("n",), 4)


numbers = st.integers(0, 10**7)
moves = st.lists(st.tuples(st.integers(1, 30), numbers, numbers), max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(moves, numbers, numbers), min_size=1, max_size=15), st.integers(1, 10))
def test_applications_processes_and_totals_agree_and_the_remainder_completes_the_interfaces(
    ticks: list[tuple[list[tuple[int, int, int]], int, int]], max_apps: int
) -> None:
    accounts = TrafficAccounts("pc", max_apps)
    points: list[Point] = []
    attributed = 0
    for number, (moved, unseen_rx, unseen_tx) in enumerate(ticks):
        deltas = [(Delta(Owner(pid), rx, tx, 1, 1), who(pid, f"app{pid % 9}")) for pid, rx, tx in moved]
        rx, tx = sum(m[1] for m in moved), sum(m[2] for m in moved)
        attributed += rx + tx
        points += accounts.record(
            NOW + number * S, S, deltas, [eth(rx + unseen_rx, tx), eth(0, unseen_tx, "wlan0")], level_of,
            last=number == len(ticks) - 1,
        )  # fmt: skip
    apps, hosts = of(AppTraffic, tuple(points)), of(HostTraffic, tuple(points))
    assert sum(p.rx_bytes + p.tx_bytes for p in apps) == attributed
    assert sum(p.rx_bytes + p.tx_bytes for p in of(ProcessTraffic, tuple(points))) == attributed
    assert sum(a.rx_bytes + a.tx_bytes for a in accounts.apps.values()) == attributed
    counted = sum(p.rx_bytes + p.tx_bytes for p in hosts)
    assert attributed + sum(p.unattributed_rx_bytes + p.unattributed_tx_bytes for p in hosts) == counted
    assert len({p.app for p in apps} - {OTHER}) <= max_apps
    assert accounts.coverage is None or 0 <= accounts.coverage <= 1


def test_inbound_bytes_that_the_shaper_dropped_are_the_limited_application_s() -> None:
    accounts = TrafficAccounts("pc", 500)
    moved = [(delta(5, 1000, 10), who(5, "steam"))]
    points = accounts.record(
        NOW, S, moved, [eth(1700, 10)], level_of, dropped={"steam": 700, "never seen": 9}, last=True
    )
    assert [p.rx_bytes for p in points if isinstance(p, AppTraffic)] == [1700]
    assert [p.unattributed_rx_bytes for p in points if isinstance(p, HostTraffic)] == [0]
    assert sum(p.rx_bytes for p in points if isinstance(p, ProcessTraffic)) == 1000
    accounts.record(NOW + S, S, [], [eth(300, 0)], level_of, dropped={"steam": 300}, last=True)
    assert accounts.apps["steam"].rx_bytes == 2000
