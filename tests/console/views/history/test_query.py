import pytest

from console.views.history.query import parse_where, query, rows, to_csv
from qos.contract.errors import ConfigError
from qos.store import Columns
from tests.console.samples import S, points
from tests.fakes import MemoryStore

NOW = 1_800_000_000 * S


def _query(measurement: str, **changes: object) -> Columns:
    store = MemoryStore()
    store.write(points(NOW, 4))
    arguments: dict[str, object] = {
        "where": {},
        "start_ns": NOW - 60 * S,
        "stop_ns": None,
        "every_ns": None,
        "aggregate": None,
        "limit": None,
    }
    return query(store, measurement, **(arguments | changes))  # type: ignore[arg-type]  # the test's own defaults


def test_rows_are_objects_with_rfc_3339_times_tags_and_fields() -> None:
    first = next(rows(_query("probe")))
    assert first["time"] == "2027-01-15T07:59:56Z"
    assert first["target"] == "8.8.8.8"
    assert first["rtt_ms"] is None
    assert first["reason"] == "timeout"


def test_an_unknown_measurement_is_one_line_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        _query("traffic")
    assert len(caught.value.lines) == 1
    assert "app_traffic" in caught.value.lines[0]


def test_an_unknown_tag_and_an_unknown_aggregate_name_what_there_is() -> None:
    with pytest.raises(ConfigError, match="it has host, app"):
        _query("app_traffic", where={"pid": "1"})
    with pytest.raises(ConfigError, match="auto, sum"):
        _query("app_traffic", aggregate="median")


def test_the_same_tag_twice_is_one_of_them() -> None:
    assert parse_where(["app=a", "host=h", "app=b=c"]) == {"app": ("a", "b=c"), "host": "h"}
    found = {row["app"] for row in rows(_query("app_traffic", where=parse_where(["app=steam", "app=sshd"])))}
    assert found == {"steam", "sshd"}


@pytest.mark.parametrize("text", ["app", "=x", "app="])
def test_a_condition_without_tag_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--where"):
        parse_where([text])


def test_csv_has_a_heading_and_empty_cells_for_what_is_absent() -> None:
    lines = to_csv(_query("probe")).splitlines()
    assert lines[0] == "time,host,target,ok,rtt_ms,jitter_ms,loss_ratio,sent,received,reason,kind"
    assert lines[1] == "2027-01-15T07:59:56Z,laptop,8.8.8.8,0,,,0.5,1,0,timeout,icmp"
