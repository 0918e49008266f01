"""The committed dashboards are the generated ones, and keep the rules that make a dashboard usable."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from grafana.generate.boards import runbooks
from grafana.generate.render import ROOT, rendered
from tests.grafana import history

BOARDS = sorted((ROOT / "dashboards").glob("*.json"))
KNOWN_UNITS = {str(value) for name, value in vars(units).items() if name[0].isupper() and isinstance(value, str)}


def load(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


@pytest.mark.parametrize("path", sorted(rendered()), ids=lambda path: path.name)
def test_committed_is_what_is_generated(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == rendered()[path], "run: uv run python -m grafana.generate"


def test_no_dashboard_is_committed_that_nothing_generates() -> None:
    assert {path for path in rendered() if path.suffix == ".json"} == set(BOARDS)


def test_six_rooms_and_the_runbooks_have_uids_of_their_own() -> None:
    boards = [load(path) for path in BOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) == 7
    assert all(path.stem == board["uid"] for path, board in zip(BOARDS, boards, strict=True))


def test_runbooks_name_boards_and_panels_that_there_are() -> None:
    boards = [load(path) for path in BOARDS]
    titles = {board["title"].removeprefix("AutoQoS · ") for board in boards}
    titles |= {panel["title"] for board in boards for panel in panels(board)}
    named = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", runbooks.SOURCE.read_text(encoding="utf-8"))
    assert len(named) >= 5
    assert set(named) <= titles


def test_no_text_links_to_a_file_that_grafana_does_not_serve() -> None:
    texts = [panel["options"]["content"] for path in BOARDS for panel in panels(load(path)) if panel["type"] == "text"]
    assert len(texts) >= 13
    assert not [link for text in texts for link in re.findall(r"\]\((?!https?://|/d/)[^)]*\)", text)]


@pytest.mark.parametrize("at_s", range(1_795_000_000, 1_795_021_600, 900))
def test_what_the_workflow_fills_the_boards_with_has_rows_of_now_whenever_it_runs(at_s: int) -> None:
    """Numbers of the last minute are asked for minutes after the writing; half of the hours nobody was limited."""
    rows = [line.rsplit(" ", 1) for line in history.recent(at_s * 10**9, hours=0.05, step_s=60)]
    for name in ("app_traffic", "host_traffic", "probe", "agent", "app_limit"):
        times = {int(at) // 10**9 for line, at in rows if line.startswith(f"{name},host=desk")}
        assert {at_s + age for age in range(-120, 601, 60)} <= times, name


def test_a_narrow_panel_with_a_link_has_a_title_that_fits_beside_its_two_icons() -> None:
    """At 1600 pixels Grafana 12 cuts "Latency now" to "Latency n…" in three of 24 columns: the icons share its bar."""
    found = [
        panel["title"]
        for path in BOARDS
        for panel in panels(load(path))
        if panel["gridPos"]["w"] <= 3 and panel.get("links")
    ]
    assert len(found) >= 3
    assert not [title for title in found if len(title) > 8]


WINDOWS = {"Loss": "1m", "The next hours": "5m", "What ran when": "1m", "Heartbeat": "1m"}
"""Panels whose windows are at least this wide: a minute of echoes makes a share, forecasts come every 5 minutes, and
parts other than the collector tell of themselves every ten seconds."""


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_the_sdk_reads_back_all_that_is_written(path: Path) -> None:
    """The SDK drops keys it does not know without a word: equality after a round trip means every key is a real one."""
    register_default_plugins()
    board = load(path)
    again = json.loads(JSONEncoder().encode(models.Dashboard.from_json(board)))
    for entry in again["links"] + again.get("templating", {}).get("list", []):
        entry.pop("placement", None)  # Its default is left out on purpose.
    for panel, reread in zip(panels(board), panels(again), strict=True):
        # Queries and a generic panel's options are opaque to the SDK.
        assert {k: v for k, v in panel.items() if k not in ("targets", "options", "fieldConfig", "links")} == {
            k: v for k, v in reread.items() if k not in ("targets", "options", "fieldConfig", "links")
        }
        assert panel.get("fieldConfig") == reread.get("fieldConfig")
    assert {k: v for k, v in board.items() if k not in ("panels", "annotations", "id")} == {
        k: v for k, v in again.items() if k not in ("panels", "annotations", "id")
    }


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_panel_explains_itself(path: Path) -> None:
    board = load(path)
    ids = [panel["id"] for panel in panels(board)]
    assert len(set(ids)) == len(ids)
    for panel in panels(board):
        name = f"{path.stem}: {panel.get('title')}"
        assert panel["title"], name
        assert len(panel["description"]) > 20 or panel["type"] == "stat", name
        assert panel["description"], name
        if panel["type"] in ("alertlist", "text"):
            continue
        assert panel["targets"], name
        assert panel["datasource"]["uid"] == "influx-influxql", name
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit in KNOWN_UNITS, f"{name}: {unit} is no unit of Grafana"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), name
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, f"{name}: gaps must stay gaps"
            assert panel["maxDataPoints"] == 300, f"{name}: the sources' limits are made for 300 windows"
            assert panel["interval"] == WINDOWS.get(panel["title"], "0${step}s"), (
                f"{name}: a window shorter than the agent's interval shows spikes"
            )
            assert panel["fieldConfig"]["defaults"]["noValue"], f"{name}: an empty state says what to do"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_fit_the_grid(path: Path) -> None:
    seen: set[tuple[int, int]] = set()
    for panel in panels(load(path)):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & seen, panel["title"]
        seen |= cells


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_readonly_current_and_linked(path: Path) -> None:
    board = load(path)
    assert board["editable"] is False
    assert board["id"] is None
    assert board["schemaVersion"] <= 42
    assert board["graphTooltip"] == 1
    assert [link["asDropdown"] for link in board["links"]] == [True]
    assert "__inputs" not in board
    variables = board.get("templating", {}).get("list", [])
    names = {variable["name"] for variable in variables}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) & {"host", "app", "target", "top", "step", "detail"}
    assert used == names, f"variables {names}, used {used}"
    for variable in variables:
        if variable["name"] in ("host", "app", "target") and path.stem != "autoqos-forecast":
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["allValue"] == ".*"
            assert variable["refresh"] == 2
        if variable["type"] == "query":
            assert isinstance(variable["query"], str), "Grafana 9 asks nothing when it is an object; 13 reads both"
            assert variable["query"].count("$timeFilter") <= 1, "Grafana 9 replaces only the first"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_links_toggles_and_variables_are_seen(path: Path) -> None:
    assert "inControlsMenu" not in path.read_text(encoding="utf-8"), "Grafana 13 hides these behind a menu"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_band_is_filled_to_a_series_that_is_there_by_its_exact_name(path: Path) -> None:
    for panel in panels(load(path)):
        names = {target.get("alias") for target in panel.get("targets", [])}
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            for option in override["properties"]:
                if option["id"] == "custom.fillBelowTo":
                    assert option["value"] in names, f"{panel['title']}: no series {option['value']!r} in {names}"
                    upper = option["value"].replace("lower", "upper")
                    assert override["matcher"] == {"id": "byName", "options": upper}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_tables_have_their_columns_in_order_and_links_on_one_column(path: Path) -> None:
    """InfluxQL's tag columns come in any order (grafana#71260)."""
    for panel in panels(load(path)):
        if panel["type"] != "table" or panel["transformations"][0]["id"] == "convertFieldType":
            continue
        steps = {step["id"]: step["options"] for step in panel["transformations"]}
        order = steps["organize"]["indexByName"]
        assert set(steps["organize"]["renameByName"]) | {"Time"} >= set(order), panel["title"]
        assert ("filterFieldsByName" in steps) is ("Time" not in order), "merged rows need one time, or none"
        assert "links" not in panel["fieldConfig"]["defaults"]


def test_the_events_table_shows_when() -> None:
    (events,) = (p for p in panels(load(ROOT / "dashboards/autoqos-health.json")) if p["title"] == "Events")
    assert "Time" in events["transformations"][-1]["options"]["indexByName"]
    assert not events["transformations"][-1]["options"]["excludeByName"]


def test_the_share_of_the_host_is_stacked_under_the_total() -> None:
    (share,) = (p for p in panels(load(ROOT / "dashboards/autoqos-app.json")) if p["title"] == "Share of the host")
    assert share["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_annotations_are_on_chosen_panels_and_not_on_wide_ranges(path: Path) -> None:
    board = load(path)
    ids = {panel["id"] for panel in panels(board)}
    for annotation in board.get("annotations", {}).get("list", []):
        assert set(annotation["filter"]["ids"]) <= ids
        assert annotation["filter"]["ids"]
        assert "($__to - $__from) < " in annotation["target"]["query"]
        if path.stem == "autoqos-app" and annotation["name"] == "Limits":
            assert '"subject" =~ /^$app$/' in annotation["target"]["query"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_one_panel_has_one_unit(path: Path) -> None:
    for panel in panels(load(path)):
        queries = " ".join(target["query"] for target in panel.get("targets", []))
        kinds = {k for k in ("latency", "loss", "host_") if f"^{k}" in queries or f"'{k}" in queries}
        assert len(kinds) <= 1, panel["title"]


def test_links_lead_to_dashboards_that_exist() -> None:
    uids = {load(path)["uid"] for path in BOARDS}
    found = set(re.findall(r"/d/([\w-]+)", "".join(path.read_text(encoding="utf-8") for path in BOARDS)))
    assert found
    assert found <= uids


def queries() -> list[tuple[str, str]]:
    found = []
    for path in BOARDS:
        for panel in panels(load(path)):
            found += [(f"{path.stem}: {panel['title']}", target["query"]) for target in panel.get("targets", [])]
    return found


def test_a_probe_that_could_not_be_sent_is_no_loss_anywhere() -> None:
    lossy = [(name, query) for name, query in queries() if 'sum("received")' in query]
    assert len(lossy) >= 5
    for name, query in lossy:
        assert '"sent" > 0' in query, f"{name}: InfluxQL's x / 0 is 0, so nothing sent would be all lost"
    assert not [name for name, query in queries() if '"loss_ratio"' in query or 'mean("ok")' in query]


def test_no_subquery_over_months_is_run_once_a_column() -> None:
    """InfluxQL runs every subquery once for each column of the query around it: two columns took twice as long."""
    found = 0
    for name, query in queries():
        if '"1h".' not in query and '"5m".' not in query:
            continue
        for columns in re.findall(r"SELECT ((?:(?!SELECT | FROM ).)*) FROM \(", query):
            assert "," not in re.sub(r"\([^()]*\)", "", columns), f"{name}: {columns}"
            found += 1
    assert found > 20


def test_the_gateway_is_in_no_figure_over_several_targets() -> None:
    for name, query in queries():
        if '"rtt_ms' in query and '"target"' not in query.rsplit("GROUP BY")[-1]:
            assert "\"target\" != 'gateway'" in query, name


def test_the_week_is_a_table_of_weekdays_and_hours() -> None:
    (week,) = (p for p in panels(load(ROOT / "dashboards/autoqos-quality.json")) if "weekday" in p["title"])
    assert [step["id"] for step in week["transformations"]] == [
        "convertFieldType", "extractFields", "sortBy", "groupBy", "groupingToMatrix", "sortBy", "organize",
    ]  # fmt: skip
    words = week["transformations"][0]["options"]["conversions"][0]["dateFormat"]
    # As moment.js writes a time: brackets are literal, E is the ISO weekday, ddd its short name, HH the hour.
    parts = {"E": "6", "ddd": "Sat", "HH": "07"}
    written = re.sub(r"\[([^\[]*)\]|ddd|HH|E", lambda m: parts[m[0]] if m[1] is None else m[1], words)
    assert json.loads(written) == {"day": "6 Sat", "hour": "07"}
    assert week["fieldConfig"]["defaults"]["color"]["mode"].startswith("continuous")


def test_the_next_hours_have_a_range_of_their_own_that_lies_ahead() -> None:
    (ahead,) = (p for p in panels(load(ROOT / "dashboards/autoqos-overview.json")) if p["title"] == "The next hours")
    assert ahead["timeFrom"] == "+6h", "Grafana reads +6h as now to now+6h (rangeutil.ts, describeTextRange)"


def test_which_model_serves_is_told_at_a_range_without_a_round_too() -> None:
    """Rounds are hours apart: at 15 minutes the board said "no forecast yet" beside one."""
    board = {p["title"]: p for p in panels(load(ROOT / "dashboards/autoqos-forecast.json"))}
    for title in ("Which model serves", "Models: bandwidth and applications", "Models: latency", "Models: loss"):
        (target,) = board[title]["targets"]
        assert "time >= ($__from - 172800000) * 1000000" in target["query"], title
    for title in ("Error over time (MASE)", "Coverage of the 80 % band"):
        assert "round" in board[title]["fieldConfig"]["defaults"]["noValue"], title


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_loss_below_one_percent_is_not_told_as_none(path: Path) -> None:
    for panel in panels(load(path)):
        if panel["type"] == "stat" and "loss" in panel["title"].lower():
            assert panel["fieldConfig"]["defaults"]["decimals"] == 1, panel["title"]


def test_the_fleet_shows_versions_and_counts_them() -> None:
    board = {p["title"]: p for p in panels(load(ROOT / "dashboards/autoqos-fleet.json"))}
    assert any('last("version")' in target["query"] for target in board["Hosts"]["targets"])
    assert any(step["id"] == "groupBy" for step in board["Versions"]["transformations"])
