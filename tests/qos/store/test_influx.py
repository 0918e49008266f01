"""InfluxDB gives the same answers as the embedded store on the same points.

On an own influxdb 1.6.7, or on the real server named by ``AUTOQOS_TEST_INFLUX_URL``.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.contract.points import AppTraffic, Forecast, Point, Probe, ProcessTraffic, spec_of
from qos.store.influx import InfluxStore
from qos.store.sqlite.store import SqliteStore
from tests.qos.store.sqlite.reading.test_query import NAMES, TIMES, selections
from tests.qos.store.strategies import START, S, points, same
from tests.servers import InfluxQL, free_port, influxql_server  # noqa: F401 - a fixture

pytestmark = pytest.mark.server


def reader(database: InfluxQL) -> InfluxStore:
    config = InfluxConfig.model_validate({"url": database.url, "org": database.org, "bucket": database.bucket})
    return InfluxStore.open(config, SecretStr(database.token or "nobody:checks"))


@pytest.fixture
def influx(influxql_server: InfluxQL) -> Iterator[InfluxStore]:  # noqa: F811 - the fixture imported above
    with influxql_server.fresh() as database, reader(database) as store:
        yield store


def probe(at: int, target: str = "t", **values: Any) -> Probe:
    row = {"ok": 1, "loss_ratio": 0.0, "sent": 1, "received": 1} | values
    return Probe(time_ns=START + at * S, host="h", target=target, **row)


def one_line(point: Point) -> Point:
    """Line protocol has no line breaks inside text: they arrive as spaces."""
    texts = [f.name for f in spec_of(type(point)).fields if f.kind == "str"]
    changed: dict[str, Any] = {name: re.sub(r"[\r\n]", " ", getattr(point, name)) for name in texts}
    return replace(point, **changed)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    drawn=st.lists(points(NAMES, TIMES), max_size=40),
    asked=st.lists(selections(), min_size=6, max_size=12),
)
def test_every_read_equals_the_embedded_store(
    influxql_server: InfluxQL,  # noqa: F811 - idem
    drawn: list[Any],
    asked: list[dict[str, Any]],
) -> None:
    # The same series and time twice: InfluxDB keeps an older field that the newer point lacks, SQLite replaces the row.
    unique = list({(p.MEASUREMENT, tuple(p.tags.values()), p.time_ns): one_line(p) for p in drawn}.values())
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteStore(Path(folder) / "autoqos.db") as embedded,
        influxql_server.fresh() as database,
        reader(database) as influx,
    ):
        embedded.write(unique)
        influx.write(unique)
        for selection in asked:
            same(influx.read(**selection), embedded.read(**selection))


def test_a_window_whose_fields_are_all_absent_is_still_there(influx: InfluxStore) -> None:
    influx.write([probe(0, ok=0), probe(1, ok=0, reason="timeout")])
    assert influx.read("probe", ["rtt_ms"], by=[]) == {"time_ns": [START, START + S], "rtt_ms": [None, None]}
    assert influx.read("probe", ["rtt_ms"], every_ns=60 * S, by=[]) == {"time_ns": [START], "rtt_ms": [None]}


def test_forecasts_that_lie_ahead_are_found_without_naming_an_end(influx: InfluxStore) -> None:
    ahead = 4_000_000_000 * S
    row = Forecast(
        time_ns=ahead, host="h", series="down", model="naive", value=1.0, lower=0.0, upper=2.0, baseline=1.0, made_at=1
    )
    influx.write([row])
    assert influx.read("forecast", ["value"], every_ns=3600 * S, by=[])["value"] == [1.0]


def test_the_newest_rows_are_cut_by_their_tags_when_times_tie(influx: InfluxStore) -> None:
    influx.write([probe(0, target) for target in "abcd"] + [probe(1, target) for target in "ab"])
    kept = influx.read("probe", ["ok"], by=["target"], limit=3)
    assert kept["target"] == ["d", "a", "b"]


def test_names_with_quotes_spaces_and_backslashes_are_found_again(influx: InfluxStore) -> None:
    for name in ("it's", 'say "hi"', "a b,c=d", "back\\slash", "ünïcode"):
        influx.write([probe(0, name)])
        assert influx.read("probe", ["ok"], where={"target": name}, by=["target"])["target"] == [name]


def test_integers_beyond_the_precision_of_a_float_come_back_exact(influx: InfluxStore) -> None:
    big = 2**60 + 1
    row = AppTraffic(
        time_ns=START, host="h", app="a", rx_bytes=big, tx_bytes=0, rx_packets=1, tx_packets=0, flows=1, processes=1,
        priority=3,
    )  # fmt: skip
    influx.write([row])
    assert influx.read("app_traffic", ["rx_bytes"], aggregate="sum", by=[])["rx_bytes"] == [big]


def test_what_stays_on_this_machine_is_neither_written_nor_asked_for(influx: InfluxStore) -> None:
    row = ProcessTraffic(
        time_ns=START, app="a", pid="1", started="1", rx_bytes=1, tx_bytes=1, rx_packets=1, tx_packets=1
    )
    influx.write([row])
    assert influx.read("process_traffic", ["rx_bytes"], by=[]) == {"time_ns": [], "rx_bytes": []}


def test_a_point_whose_type_conflicts_is_rejected_and_says_why(
    influxql_server: InfluxQL,  # noqa: F811 - idem
) -> None:
    with influxql_server.fresh() as database, reader(database) as influx:
        database.write_lines([f"probe,host=h,target=t ok=1.5 {START}"])
        with pytest.raises(StoreRejected, match="type"):
            influx.write([probe(1)])


def test_a_server_that_is_not_there_asks_for_patience() -> None:
    config = InfluxConfig.model_validate({"url": f"http://127.0.0.1:{free_port()}", "org": "o"})
    with InfluxStore.open(config, SecretStr("t")) as store:
        with pytest.raises(StoreUnavailable, match="no contact"):
            store.read("probe")
        with pytest.raises(StoreUnavailable, match="no contact"):
            store.write([probe(0)])


def test_without_a_token_the_user_is_told_where_to_put_it() -> None:
    config = InfluxConfig.model_validate({"url": "http://127.0.0.1:1", "org": "o"})
    with pytest.raises(ConfigError, match="INFLUX_TOKEN"):
        InfluxStore.open(config, None)


def test_a_bucket_that_is_not_there_or_may_not_be_read_is_named(
    influxql_server: InfluxQL,  # noqa: F811 - idem
) -> None:
    with reader(replace(influxql_server, bucket="nowhere")) as store, pytest.raises(ConfigError, match="nowhere"):
        store.read("probe")


def test_reading_after_closing_raises(influx: InfluxStore) -> None:
    influx.close()
    with pytest.raises(ValueError, match="closed"):
        influx.read("probe")
