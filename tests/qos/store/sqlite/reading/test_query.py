"""Reads of the SQLite store equal those of a plain loop over all points, whatever is rolled up already."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.contract.points import SPECS
from qos.store.sqlite.store import SqliteStore
from tests.fakes import MemoryStore
from tests.qos.store.strategies import DAY, HOUR, START, S, points, same

NAMES = ("app_traffic", "probe", "app_limit", "forecast")


@contextlib.contextmanager
def fresh() -> Iterator[SqliteStore]:
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "autoqos.db") as store:
        yield store


@st.composite
def selections(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(NAMES))
    spec = SPECS[name]
    edges = st.none() | st.integers(START - 2 * HOUR, START + 5 * HOUR) | st.sampled_from([START, START + HOUR])
    chosen: dict[str, Any] = {
        "measurement": name,
        "start_ns": draw(edges),
        "stop_ns": draw(edges),
        "every_ns": draw(st.sampled_from([None, 7 * S, 60 * S, 90 * S, 300 * S, HOUR, 3 * HOUR, DAY])),
        "aggregate": draw(st.sampled_from([None, "auto", "sum", "mean", "min", "max", "last", "count"])),
        "by": draw(st.none() | st.lists(st.sampled_from(spec.tags), unique=True)),
        "limit": draw(st.none() | st.integers(0, 5)),
    }
    if draw(st.booleans()):
        chosen["fields"] = draw(st.lists(st.sampled_from([f.name for f in spec.fields]), unique=True))
    if draw(st.booleans()):
        tag = draw(st.sampled_from(spec.tags))
        chosen["where"] = {tag: draw(st.sampled_from(["a", "ü", "nobody", ["a", "b"], []]))}
    return chosen


TIMES = st.integers(START - HOUR, START + 4 * HOUR) | st.integers(0, 6).map(lambda at: START + at * 1800 * S)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    batches=st.lists(st.lists(points(NAMES, TIMES), max_size=12), min_size=1, max_size=5),
    folded=st.lists(st.integers(START - HOUR, START + 6 * HOUR), max_size=5),
    asked=st.lists(selections(), min_size=1, max_size=5),
)
def test_every_read_equals_the_oracle_before_and_after_folding(
    batches: list[Any], folded: list[int], asked: list[dict[str, Any]]
) -> None:
    oracle = MemoryStore()
    with fresh() as store:
        for at, batch in enumerate(batches):
            store.write(batch)
            oracle.write(batch)
            if at < len(folded):
                assert store.maintain(folded[at], budget_s=60)
        for selection in asked:
            same(store.read(**selection), oracle.read(**selection))
