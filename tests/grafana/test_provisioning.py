"""Grafana ignores unknown keys and aborts on some bad values: our own strict reading says so before Grafana does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from grafana.generate.render import ROOT, dashboards
from grafana.generate.rules import ALERTS
from tests.grafana import schemas

PROVISIONING = ROOT / "provisioning"
REPOSITORY = ROOT.parent
FILES: dict[str, type[BaseModel]] = {
    "datasources/influxdb.yaml": schemas.Datasources,
    "dashboards/autoqos.yaml": schemas.Providers,
    "alerting/rules.yaml": schemas.Rules,
    "alerting/contact-points.yaml": schemas.ContactPoints,
    "alerting/policies.yaml": schemas.Policies,
    "alerting/mute-timings.yaml": schemas.MuteTimes,
    "alerting/templates.yaml": schemas.Templates,
}


def load(name: str) -> Any:
    return yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in load("alerting/rules.yaml")["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_has_only_keys_that_grafana_reads(name: str) -> None:
    FILES[name].model_validate(load(name))


def test_every_provisioning_file_is_checked() -> None:
    assert {path.relative_to(PROVISIONING).as_posix() for path in PROVISIONING.rglob("*.y*ml")} == set(FILES)


def test_the_check_refuses_a_misspelt_key() -> None:
    body = load("alerting/policies.yaml")
    body["policies"][0]["group_internval"] = "1m"
    with pytest.raises(ValidationError, match="group_internval"):
        schemas.Policies.model_validate(body)


def test_rules_point_at_nodes_panels_and_sources_that_exist() -> None:
    boards = dashboards()
    sources = {source["uid"] for source in load("datasources/influxdb.yaml")["datasources"]}
    for rule in rules():
        refs = [node["refId"] for node in rule["data"]]
        assert len(set(refs)) == len(refs)
        assert rule["condition"] == refs[-1]
        for index, node in enumerate(rule["data"]):
            assert node["refId"] == node["model"]["refId"]
            assert node["datasourceUid"] in sources | {"__expr__"}
            if node["datasourceUid"] == "__expr__":
                expression = node["model"]["expression"]
                used = re.findall(r"\$(\w+)", expression) or [expression]
                assert set(used) <= set(refs[:index]), f"{rule['uid']}: {expression} reads a later node"
        panel_ids = {panel["id"] for panel in boards[rule["dashboardUid"]]["panels"]}  # type: ignore[attr-defined] # JSON
        assert rule["panelId"] in panel_ids, rule["uid"]


def test_uids_and_titles_are_unique() -> None:
    found = rules()
    for key in ("uid", "title"):
        assert len({rule[key] for rule in found}) == len(found) == len(ALERTS)


def test_every_alert_names_its_host_and_has_a_runbook_section() -> None:
    text = (REPOSITORY / "docs" / "runbooks.md").read_text(encoding="utf-8")
    anchors = {match.lower() for match in re.findall(r'<a id="([\w-]+)">', text)}
    for rule in rules():
        assert "$labels.host" in rule["annotations"]["summary"], rule["uid"]
        path, anchor = rule["annotations"]["runbook"].split("#")
        assert path == "docs/runbooks.md"
        assert anchor in anchors, f"docs/runbooks.md has no section {anchor}"
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_summaries_use_only_values_and_labels_that_the_rule_has() -> None:
    for rule in rules():
        refs = {node["refId"] for node in rule["data"]}
        assert set(re.findall(r"\$values\.(\w+)\.", rule["annotations"]["summary"])) <= refs, rule["uid"]
        grouped = set(
            re.findall(
                r'"(\w+)"',
                " ".join(
                    node["model"]["query"].split("GROUP BY")[1] for node in rule["data"] if "query" in node["model"]
                ),
            )
        )
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= grouped, rule["uid"]


def test_interpolated_places_carry_no_stray_dollar() -> None:
    """Labels and titles go through os.ExpandEnv: a single dollar there would vanish."""
    for rule in rules():
        assert "$" not in rule["title"] + "".join(rule["labels"].values())
        assert "${" not in rule["annotations"]["summary"]


def test_only_the_heartbeat_alarms_on_no_data() -> None:
    assert {rule["uid"] for rule in rules() if rule["noDataState"] != "OK"} == {"autoqos-agent-silent"}


def test_environment_variables_are_documented_and_reach_grafana() -> None:
    used = set()
    for name in FILES:
        if name != "alerting/rules.yaml":
            text = "\n".join(
                line
                for line in (PROVISIONING / name).read_text(encoding="utf-8").splitlines()
                if line.strip()[:1] != "#"
            )
            used |= set(re.findall(r"(?<!\$)\$([A-Z][A-Z0-9_]+)", text))
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = compose["services"]["grafana"]["environment"]
    given = set(environment) if isinstance(environment, dict) else {entry.split("=")[0] for entry in environment}
    assert used <= given, f"docker-compose.yml does not hand {sorted(used - given)} to grafana"
    values = " ".join(str(value) for value in (environment.values() if isinstance(environment, dict) else environment))
    documented = set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text("utf-8"), re.M))
    from_env = set(re.findall(r"\$\{([A-Z0-9_]+)", values))
    assert from_env <= documented, f".env.example does not explain {sorted(from_env - documented)}"


def test_routes_use_contact_points_and_mute_timings_that_exist() -> None:
    points = {point["name"] for point in load("alerting/contact-points.yaml")["contactPoints"]}
    timings = {timing["name"] for timing in load("alerting/mute-timings.yaml")["muteTimes"]}
    policy = load("alerting/policies.yaml")["policies"][0]
    assert points == {"webhook", "email", "discord", "slack"}
    for route in [policy, *policy["routes"]]:
        assert route["receiver"] == "$ALERT_RECEIVER"
        assert set(route.get("mute_time_intervals", [])) <= timings


def test_shipped_paths_match_the_compose_mounts() -> None:
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = {
        entry.split(":")[0]: entry.split(":")[1]
        for entry in compose["services"]["grafana"]["volumes"]
        if entry[0] == "."
    }
    provider = load("dashboards/autoqos.yaml")["providers"][0]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert all((REPOSITORY / Path(source)).exists() for source in mounts)
