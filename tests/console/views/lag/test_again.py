"""The detector over stored rows finds what it found while they were measured."""

import json
from pathlib import Path

from typer.testing import CliRunner

from collector.lag.samples import LagTick, Rates
from console.commands.app import app
from console.views.lag.again import judge_again
from qos.contract.config import parse_config
from qos.contract.points import AppTraffic, HostTraffic, Point, Probe
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from tests.collector.lag.line import Line, Moment, S

CALL = {"zoom": (100_000, 100_000)}
CONFIG = parse_config("host: pc\nlink: {down: 20mbit, up: 5mbit}")


class Recorded(Line):
    """A line whose ticks are kept as the rows that a collector stores."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ticks: list[LagTick] = []
        feed = self.detector.feed

        def keep(tick: LagTick) -> tuple[object, ...]:
            self.ticks.append(tick)
            return feed(tick)

        self.detector.feed = keep  # type: ignore[method-assign,assignment]  # what the line feeds, seen from outside

    def stored(self, wall_ns: int) -> list[Point]:
        """As if the first tick had ended a second after ``wall_ns``."""
        shift_ns = wall_ns - self.ticks[0].now_ns + S
        rows: list[Point] = []
        for tick in self.ticks:
            at_ns = tick.now_ns + shift_ns
            for trip in tick.round_trips:
                ms = None if trip.rtt_ns is None else trip.rtt_ns / 1e6
                rows.append(
                    Probe(time_ns=trip.sent_ns + shift_ns, host="pc", target=trip.target, ok=int(ms is not None),
                          rtt_ms=ms, loss_ratio=0.0, sent=1, received=int(ms is not None))
                )  # fmt: skip
            for name, rates in tick.apps.items():
                rx, tx = sizes(rates)
                rows.append(
                    AppTraffic(time_ns=at_ns, host="pc", app=name, rx_bytes=rx, tx_bytes=tx, rx_packets=1,
                               tx_packets=1, flows=1, processes=1, priority=3)
                )  # fmt: skip
            rx, tx = sizes(tick.host)
            rows.append(
                HostTraffic(time_ns=at_ns, host="pc", iface="eth0", rx_bytes=rx, tx_bytes=tx, rx_drops=0, tx_drops=0,
                            rx_errors=0, tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0)
            )  # fmt: skip
        return rows


def sizes(rates: Rates) -> tuple[int, int]:
    return rates.down_bps // 8, rates.up_bps // 8


def evening() -> Recorded:
    line = Recorded()
    line.run(40, Moment(CALL))
    line.run(20, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(40, Moment(CALL))
    line.run(20, Moment(CALL, others_bps=30_000_000))
    line.run(40, Moment(CALL))
    line.run(20, Moment(CALL, wifi_ms=150))
    line.run(40, Moment(CALL))
    return line


def test_stored_rows_are_judged_as_they_were_when_they_were_measured(tmp_path: Path) -> None:
    line, wall_ns = evening(), clock.wall_ns() - 600 * S
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(line.stored(wall_ns))
        found = judge_again(store, CONFIG, wall_ns - S, wall_ns + 500 * S)
    shift_ns = wall_ns - line.ticks[0].now_ns + S
    assert [(each.start_ns, each.cause, each.app) for each in found] == [
        (each.onset_ns + shift_ns, each.diagnosis.cause, each.diagnosis.app) for each in line.incidents
    ]
    assert [each.cause for each in found] == ["application", "others", "local_network"]
    assert not any(each.running for each in found)


def test_time_without_measurements_ends_an_incident_where_it_was_last_seen(tmp_path: Path) -> None:
    line, wall_ns = Recorded(), clock.wall_ns() - 3 * 3600 * S
    line.run(40, Moment(CALL))
    line.run(20, Moment({**CALL, "steam": (24_000_000, 0)}))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(line.stored(wall_ns))
        store.write(line.stored(wall_ns + 7200 * S))
        first, second = judge_again(store, CONFIG, wall_ns - S, wall_ns + 10_000 * S)
    assert (first.app, second.app) == ("steam", "steam")
    assert first.evidence.endswith("it is told only up to here: nothing was measured for a while. High confidence.")
    assert first.duration_s < 25
    assert second.running


def test_the_command_judges_with_the_capacity_that_is_set_now(tmp_path: Path) -> None:
    line = Recorded()
    line.run(40, Moment(CALL))
    line.run(20, Moment({**CALL, "steam": (24_000_000, 0)}))
    line.run(20, Moment(CALL))
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(line.stored(clock.wall_ns() - 300 * S))
    settings = tmp_path / "config.yaml"
    settings.write_text("link: {down: 20mbit, up: 5mbit}\n", encoding="utf-8")
    where = ["--config", str(settings), "--data", str(tmp_path)]
    stored = CliRunner().invoke(app, ["lag", "--since", "1h", "--json", *where])
    again = CliRunner().invoke(app, ["lag", "--since", "1h", "--again", "--json", *where])
    assert json.loads(stored.output) == []
    (incident,) = json.loads(again.output)
    assert (incident["app"], incident["sure"]) == ("steam", "high")
    assert "of its setting" in incident["evidence"]
