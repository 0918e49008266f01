"""Every query of every panel, variable, annotation and alert runs on a real InfluxQL engine and finds what it needs."""

import json
import time
from typing import Any

import pytest
import yaml

from grafana.generate.render import ROOT
from tests.grafana.coarse import policies, write_coarse
from tests.grafana.sse import substitute
from tests.grafana.synthetic import APPS, HOSTS, TARGETS, S, day
from tests.servers import InfluxQL, influxql

pytestmark = pytest.mark.server

BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "dashboards").glob("*.json")}
RULES = yaml.safe_load((ROOT / "provisioning" / "alerting" / "rules.yaml").read_text(encoding="utf-8"))
PANELS = [
    pytest.param(target, id=f"{uid}-{panel['id']}-{target['refId']}")
    for uid, board in sorted(BOARDS.items())
    for panel in board["panels"]
    for target in panel.get("targets", [])
]
VARIABLES = [
    pytest.param(variable, id=f"{uid}-{variable['name']}")
    for uid, board in sorted(BOARDS.items())
    for variable in board.get("templating", {}).get("list", [])
    if variable["type"] == "query"
]
ANNOTATIONS = [
    pytest.param(annotation["target"], id=f"{uid}-{annotation['name']}")
    for uid, board in sorted(BOARDS.items())
    for annotation in board.get("annotations", {}).get("list", [])
]
ALERT_QUERIES = [
    pytest.param(node, id=f"{rule['uid']}-{node['refId']}")
    for group in RULES["groups"]
    for rule in group["rules"]
    for node in rule["data"]
    if "query" in node["model"]
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with influxql(tmp_path_factory.mktemp("queries")) as server:
        now = time.time_ns()
        points = list(day(now))
        with policies(server):
            server.write(points)
            write_coarse(server, points)
            yield server, now


def range_hours(query: str) -> int:
    """A range for which the query's source is the one that answers."""
    for least_h, hours in ((4320, 5000), (240, 720), (26, 72), (7, 72), (5, 6)):
        if f"$__to - $__from) >= {least_h * 3_600_000}" in query:
            return hours
    return 1 if any(f"($__to - $__from) < {most_h * 3_600_000}" in query for most_h in (2, 5)) else 6


@pytest.mark.parametrize("target", PANELS)
def test_panel_query_returns_what_the_panel_draws(server: tuple[InfluxQL, int], target: dict[str, Any]) -> None:
    database, now = server
    hours = range_hours(target["query"])
    ahead = 3600 if '"forecast"' in target["query"] else 0
    statement = substitute(
        target["query"], now - hours * 3600 * S, now + ahead * S, 60_000 if hours <= 6 else 3_600_000
    )
    if target.get("alias") == "other":
        statement = statement.replace('"app" !~ /^.*$/', '"app" !~ /^zoom$/')
    series = database.query(statement)
    rows = [row for entry in series for row in entry["values"]]
    if '"beats" = 0' in target["query"]:
        assert not rows, "no host is silent here"
        return
    assert rows, "no rows: the panel would be empty"
    for entry in series:
        assert entry["columns"][0] == "time"
        tags = entry.get("tags", {})
        for tag in [word.removeprefix("$tag_") for word in target.get("alias", "").split() if word.startswith("$tag_")]:
            assert tag in tags, f"the legend names {tag}, the query does not group by it"
    texts = [c for c in ("app", "cause", "evidence", "message") if c in series[0]["columns"]]
    for column in texts:
        index = series[0]["columns"].index(column)
        assert series[0]["values"][0][index] is not None, f"{column}: Grafana fails on a text that begins absent"
    if target["resultFormat"] == "time_series":
        values = [value for row in rows for value in row[1:] if value is not None]
        assert values
        assert all(isinstance(value, int | float) for value in values)


@pytest.mark.parametrize("variable", VARIABLES)
def test_variable_offers_the_values_there_are(server: tuple[InfluxQL, int], variable: dict[str, Any]) -> None:
    database, now = server
    found = {row[1] for row in database.values(substitute(variable["query"], now - 6 * 3600 * S, now))}
    series = {"host_down", "host_up", "latency:8.8.8.8", "loss:8.8.8.8"}
    expected = {"host": set(HOSTS), "app": set(APPS), "target": set(TARGETS), "top": set(APPS), "step": {60}}
    assert found == (series if variable.get("regex") else expected[variable["name"]])


@pytest.mark.parametrize("target", ANNOTATIONS)
def test_annotations_find_their_events(server: tuple[InfluxQL, int], target: dict[str, Any]) -> None:
    database, now = server
    (series,) = database.query(substitute(target["query"], now - 6 * 3600 * S, now))
    assert {target["titleColumn"], target["textColumn"], target["tagsColumn"]} - {""} <= set(series["columns"])
    assert all(None not in row for row in series["values"]), "Grafana fails on a text that is absent in the first row"


@pytest.mark.parametrize("node", ALERT_QUERIES)
def test_alert_query_returns_one_number_column_per_label_set(
    server: tuple[InfluxQL, int], node: dict[str, Any]
) -> None:
    database, now = server
    window = node["relativeTimeRange"]
    query = substitute(node["model"]["query"], now - window["from"] * S, now - window["to"] * S)
    series = database.query(query)
    if "GROUP BY" in query:
        assert {entry["tags"]["host"] for entry in series} == set(HOSTS)
    assert all(len(entry["columns"]) == 2 for entry in series)
