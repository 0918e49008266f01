"""The coarse history equals the raw rows, window by window: 30 days with outages, late rows and clock steps."""

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from qos.contract.coarse import FIVE_MINUTES_NS, HOUR_NS, WIDTHS_NS, coarse_fields
from qos.contract.config import InfluxConfig, Retention
from qos.contract.points import SPECS, AppResources, AppTraffic, Point, Probe, escape_tag, to_line
from qos.shipping.client import InfluxClient
from qos.shipping.history import HistoryShipper
from qos.store.sqlite import coarse
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from tests.servers import InfluxQL, call, influxql_server  # noqa: F401 - a fixture

S = 10**9
MINUTE, DAY = 60 * S, 86400 * S
START = 1_774_656_000 * S  # 2026-03-28, so that a European DST change lies inside
Key = tuple[int, str, int]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    retention = Retention.model_validate({"raw": "2d", "minute": "40d", "hour": "400d"})
    with SqliteStore(tmp_path / "autoqos.db", retention=retention) as opened:
        yield opened


def tick(time_ns: int, chance: random.Random) -> list[Point]:
    answered = chance.random() < 0.8
    points: list[Point] = [
        Probe(
            time_ns=time_ns,
            host="desk",
            target="1.1.1.1",
            ok=int(answered),
            rtt_ms=chance.uniform(3, 90) if answered else None,
            jitter_ms=1.5 if answered else None,
            loss_ratio=float(not answered),
            sent=1,
            received=int(answered),
            reason="" if answered else "timeout",
        ),
        AppResources(
            time_ns=time_ns,
            host="desk",
            app="chrome",
            cpu_percent=chance.choice([0.0, 3.0, 97.5]),
            rss_bytes=chance.randrange(10**9),
        ),
    ]
    if chance.random() < 0.5:
        points.append(
            AppTraffic(
                time_ns=time_ns,
                host="desk",
                app=chance.choice(["chrome", "übersicht ä=b"]),
                rx_bytes=chance.randrange(10**8),
                tx_bytes=chance.randrange(10**6),
                rx_packets=chance.randrange(10**5),
                tx_packets=5,
                flows=chance.randrange(30),
                processes=2,
                priority=chance.randrange(6),
            )
        )
    return points


def parsed(line: str) -> tuple[str, dict[str, str], int]:
    """Series, fields and time of one of our lines (no text field here holds a comma or an equals sign)."""
    series, fields, time_ns = re.fullmatch(r"((?:[^\\ ]|\\.)+) (.+) (\d+)", line).groups()  # type: ignore[union-attr]
    return series, dict(pair.split("=", 1) for pair in fields.split(",")), int(time_ns)


def plain(kept: dict[tuple[str, tuple[str, ...], int], Point], width_ns: int) -> dict[Key, dict[str, Any]]:
    """The same windows by the plainest arithmetic over all raw points."""
    groups: dict[Key, list[Point]] = {}
    for point in kept.values():
        series = to_line(point).split(" ")
        name = parsed(to_line(point))[0]
        assert series
        groups.setdefault((width_ns, name, point.time_ns // width_ns * width_ns), []).append(point)
    expected: dict[Key, dict[str, Any]] = {}
    for key, points in groups.items():
        points.sort(key=lambda point: point.time_ns)
        row: dict[str, Any] = {"n": len(points)}
        for f in coarse_fields(SPECS[points[0].MEASUREMENT]):
            values = [v for point in points if (v := getattr(point, f.source.name)) is not None]
            if f.part == "n":
                row[f.name] = len(values)
            elif values and f.part == "percentile":
                row[f.name] = sorted(values)[max(0, math.floor(len(values) * f.rank / 100 + 0.5) - 1)]
            elif values:
                combine: dict[str, Callable[[list[Any]], Any]] = {
                    "sum": sum,
                    "min": min,
                    "max": max,
                    "mean": lambda v: math.fsum(v) / len(v),
                    "last": lambda v: v[-1],
                }
                row[f.name] = combine[f.part](values)
        expected[key] = row
    return expected


def read_back(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    return int(text[:-1]) if text.endswith("i") else float(text)


def ship(reader: JournalReader, store: SqliteStore, now_ns: int, server: dict[Key, dict[str, Any]]) -> None:
    """What the shipper does, with a dictionary for a server: a row's fields replace those of the same name."""
    for window in reader.coarse_due(now_ns, 100_000):
        for line in reader.coarse_lines(window.width_ns, window.start_ns, window.start_ns + window.width_ns):
            series, fields, time_ns = parsed(line)
            row = server.setdefault((window.width_ns, series, time_ns), {})
            row.update({name: read_back(value) for name, value in fields.items()})
        store.coarse_shipped([window.number])
    assert reader.coarse_waiting(now_ns) == 0


def thirty_days(
    store: SqliteStore, ship: Callable[[int], None], *, every_s: int = 97, apart_ns: int = 0
) -> dict[Key, dict[str, Any]]:
    """A month with outages of computer and server, late rows, clock steps and a change to summer time.

    ``ship(now_ns)`` is called when the server is there. Returns every window as the raw rows give it. ``apart_ns``
    keeps a clock that is set back from replacing rows: where all of a window's probes are replaced by unanswered ones,
    a database keeps the fields that the new row leaves out (``rtt_ms_n`` is 0).
    """
    chance, serial = random.Random(7), itertools.count()
    kept: dict[tuple[str, tuple[str, ...], int], Point] = {}
    down_until = 0
    held_back: list[Point] = []

    def write(points: list[Point]) -> None:
        store.write(points)
        for point in points:
            kept[point.MEASUREMENT, tuple(point.tags.values()), point.time_ns] = point

    now = START
    asleep_until = shift = 0
    while now < START + 30 * DAY:
        now += 20 * MINUTE
        if now < asleep_until:
            continue
        if chance.random() < 0.01:
            asleep_until = now + chance.randrange(2 * DAY)  # off or asleep, at any time of the day
        if chance.random() < 0.01:
            shift = chance.choice([0, -3600 * S, 3600 * S])  # somebody sets the clock
        points = [
            point
            for at in range(0, 20 * MINUTE, every_s * S)
            for point in tick(now + shift + at - 20 * MINUTE + next(serial) * apart_ns, chance)
        ]
        if chance.random() < 0.05:
            held_back += points  # a full disk: they come later, at most a day
        else:
            write(points)
        if held_back and chance.random() < 0.2:
            write(held_back)
            held_back = []
        assert store.maintain(now + shift, budget_s=60)
        if chance.random() < 0.003:
            down_until = now + chance.randrange(6 * DAY)  # the server is away for days
        if now > down_until and chance.random() < 0.3:
            ship(now + shift)
    write(held_back)
    assert store.maintain(now + 3 * HOUR_NS, budget_s=60)
    ship(now + 3 * HOUR_NS)
    return plain(kept, FIVE_MINUTES_NS) | plain(kept, HOUR_NS)


def assert_equal(server: dict[Key, dict[str, Any]], expected: dict[Key, dict[str, Any]]) -> None:
    assert set(server) == set(expected)
    assert len(expected) > 15_000
    missing_ranks = 0
    for key, row in expected.items():
        for name, value in row.items():
            if name in ("rtt_ms_p50", "rtt_ms_p95") and server[key].get(name) != value:
                missing_ranks += 1  # the raw rows were gone when the window, or a late row of it, was shipped at last
                continue
            assert server[key][name] == (pytest.approx(value, rel=1e-12, abs=1e-9) if type(value) is float else value)
        assert set(server[key]) <= set(row)
    assert missing_ranks < len(expected) / 10


def test_thirty_days_with_outages_late_rows_and_clock_steps_equal_the_raw_rows(store: SqliteStore) -> None:
    reader = JournalReader(store.path)
    server: dict[Key, dict[str, Any]] = {}
    expected = thirty_days(store, lambda now_ns: ship(reader, store, now_ns, server))
    reader.close()
    assert_equal(server, expected)


@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_same_month_in_a_real_database_equals_the_raw_rows(
    store: SqliteStore,
    influxql_server: InfluxQL,  # noqa: F811 - the fixture imported above
) -> None:
    """By the shipper's own turn, to InfluxDB's own buckets and back in InfluxQL."""
    reader = JournalReader(store.path)
    with influxql_server.fresh() as database:
        policies = {policy: coarse_bucket(database, policy) for policy in WIDTHS_NS}
        token = SecretStr(database.token or "any:account")
        clients = {
            policy: InfluxClient(InfluxConfig(url=database.url, org=database.org, bucket=name), token)
            for policy, name in policies.items()
        }
        clock = FakeClock()
        history = HistoryShipper(
            source=reader, writers=clients, shipped=store.coarse_shipped, set_aside=refuse, clock=clock
        )

        def ship_everything(now_ns: int) -> None:
            clock.wall = now_ns
            while reader.coarse_waiting(now_ns):
                clock.monotonic += 61 * S
                history.turn()
                assert not history.refused

        expected = thirty_days(store, ship_everything, every_s=291, apart_ns=1)
        server: dict[Key, dict[str, Any]] = {}
        for policy, client in clients.items():
            for name in ("probe", "app_resources", "app_traffic"):
                for series in client.query(f'SELECT * FROM "{name}" GROUP BY *'):
                    tags = "".join(f",{tag}={escape_tag(value)}" for tag, value in sorted(series.tags.items()))
                    for values in series.values:
                        row = {n: v for n, v in zip(series.columns, values, strict=True) if v is not None}
                        server[WIDTHS_NS[policy], name + tags, row.pop("time")] = row
            client.close()
    reader.close()
    assert_equal(server, expected)


def refuse(rejected: object) -> None:
    pytest.fail(f"the server does not take {rejected}")


class FakeClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.wall = self.monotonic = 0

    def wall_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic


def coarse_bucket(database: InfluxQL, policy: str) -> str:
    """The coarse bucket beside a test's own: a retention policy of a 1.x database."""
    name = f"{database.bucket}/{policy}"
    if database.real:
        database._make(name)
    else:
        statement = f'CREATE RETENTION POLICY "{policy}" ON "{database.bucket}" DURATION INF REPLICATION 1'
        call(database.url + "/query", query={"q": statement}, body=b"")
    return name


def test_a_window_is_due_when_it_is_over_and_again_when_a_late_row_changes_it(store: SqliteStore) -> None:
    chance = random.Random(1)
    reader = JournalReader(store.path)
    store.write(tick(START + 10 * S, chance))
    assert store.maintain(START + 2 * MINUTE)
    assert reader.coarse_due(START + FIVE_MINUTES_NS + coarse.GRACE_NS - 1, 9) == []
    now = START + FIVE_MINUTES_NS + coarse.GRACE_NS
    (window,) = reader.coarse_due(now, 9)
    assert (window.width_ns, window.start_ns) == (FIVE_MINUTES_NS, START)
    store.write(tick(START + 20 * S, chance))
    assert store.maintain(START + 10 * MINUTE)
    store.coarse_shipped([window.number])
    (again,) = reader.coarse_due(now, 9)
    assert again.number > window.number
    assert any(" n=2i," in line for line in reader.coarse_lines(FIVE_MINUTES_NS, START, START + FIVE_MINUTES_NS))
    reader.close()


def test_what_never_leaves_the_machine_has_no_coarse_rows(store: SqliteStore) -> None:
    from qos.contract.points import ProcessTraffic

    store.write(
        [
            ProcessTraffic(
                time_ns=START, app="a", pid="1", started="1", rx_bytes=1, tx_bytes=1, rx_packets=1, tx_packets=1
            )
        ]
    )
    assert store.maintain(START + DAY)
    reader = JournalReader(store.path)
    assert reader.coarse_due(START + 2 * DAY, 9) == []
    assert reader.coarse_lines(HOUR_NS, START, START + DAY) == []
    reader.close()
