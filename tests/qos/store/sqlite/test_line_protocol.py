"""What the shipper reads: the same lines as ``to_line``, between two positions, with nothing left out or twice."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.contract.points import SPECS, Point, to_line
from qos.store.sqlite.journal import Batch
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore
from tests.qos.store.strategies import START, S, points

SHIPPED = tuple(name for name, spec in SPECS.items() if not spec.local)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        yield store


@pytest.fixture
def shipping(store: SqliteStore) -> Iterator[JournalReader]:
    shipping = JournalReader(store.path)
    yield shipping
    shipping.close()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    batches=st.lists(
        st.lists(points(tuple(SPECS), st.integers(START, START + 50 * S), wild=True), max_size=15), max_size=4
    ),
    limit=st.integers(1, 12),
)
def test_reading_on_and_on_gives_every_line_once(batches: list[list[Point]], limit: int) -> None:
    expected: dict[tuple[str, tuple[str, ...], int], str] = {}
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "autoqos.db") as store:
        for batch in batches:
            store.write(batch)
            for point in batch:
                if not point.LOCAL:
                    # SQLite does not keep the sign of a zero.
                    line = re.sub(r"=-0\.0(?=[, ])", "=0.0", to_line(point))
                    expected[point.MEASUREMENT, tuple(point.tags.values()), point.time_ns] = line
        shipping = JournalReader(store.path)
        try:
            after: dict[str, int] = dict.fromkeys(SHIPPED, 0)
            head = shipping.head()
            got: list[str] = []
            while (lines := shipping.read(after, head, limit)).lines:
                assert len(lines.lines) <= limit
                got += lines.lines
                after |= lines.reached
            assert sorted(got) == sorted(expected.values())
            assert shipping.waiting(after, None).rows == 0
        finally:
            shipping.close()


def agent(at: int, rows: int = 0) -> Point:
    from qos.contract.points import Agent

    return Agent(
        time_ns=START + at * S, host="h", part="p", cpu_percent=1.0, rss_bytes=1, points_written=1, points_dropped=0,
        capture_lost=0, outbox_rows=rows, restarts=0,
    )  # fmt: skip


def test_the_measurement_that_is_furthest_behind_comes_first(store: SqliteStore, shipping: JournalReader) -> None:
    from tests.qos.store.test_influx import probe

    store.write([agent(5), agent(6), probe(1), probe(9)])
    lines = shipping.read(dict.fromkeys(SHIPPED, 0), None, 3)
    assert [line.split(",")[0] for line in lines.lines] == ["probe", "probe", "agent"]
    assert lines.oldest_ns == START + S


def test_rows_written_while_reading_lie_beyond_the_head(store: SqliteStore, shipping: JournalReader) -> None:
    store.write([agent(0)])
    head = shipping.head()
    store.write([agent(1)])
    zero = dict.fromkeys(SHIPPED, 0)
    assert len(shipping.read(zero, head, 10).lines) == 1
    assert len(shipping.read(head, None, 10).lines) == 1
    assert shipping.waiting(zero, head).rows == 1
    assert shipping.waiting(zero, None).oldest_ns == START


def test_a_row_written_again_is_read_again(store: SqliteStore, shipping: JournalReader) -> None:
    store.write([agent(0, rows=1)])
    head = shipping.head()
    store.write([agent(0, rows=2)])
    lines = shipping.read(head, None, 10).lines
    assert len(lines) == 1
    assert "outbox_rows=2i" in lines[0]


def test_the_cursor_is_the_stores_own(store: SqliteStore, shipping: JournalReader) -> None:
    assert shipping.cursor("influxdb") == dict.fromkeys(SHIPPED, 0)
    store.register_cursor("influxdb")
    store.write([agent(0)])
    store.acknowledge("influxdb", Batch((), shipping.head()))
    assert shipping.cursor("influxdb")["agent"] == 1
    assert shipping.aged_out("influxdb") == 0
