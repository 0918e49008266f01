"""Grafana ignores unknown keys and aborts on some bad values: our own strict reading says so before Grafana does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from grafana.generate.alerts.rules import ALERTS
from grafana.generate.boards import runbooks
from grafana.generate.render import ROOT, dashboards
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


def test_every_alert_says_what_who_and_what_to_do_and_links_to_its_panel_and_runbook() -> None:
    sections = runbooks.sections()
    panels = {panel["id"] for panel in dashboards()[runbooks.UID]["panels"]}  # type: ignore[attr-defined] # JSON
    for rule in rules():
        says = rule["annotations"]
        assert "$labels.host" in says["summary"] or rule["execErrState"] == "Alerting", rule["uid"]
        assert len(says["description"]) > 20, rule["uid"]
        assert "AutoQoS" not in says["description"]
        # Grafana fills DashboardURL and PanelURL of a notification from these two annotations only.
        assert says["__dashboardUid__"] == rule["dashboardUid"]
        assert says["__panelId__"] == str(rule["panelId"])
        section = sections[rule["uid"].removeprefix("autoqos-")]
        assert says["runbook_url"] == f"{{{{ externalURL }}}}d/{runbooks.UID}?viewPanel={section.panel}"
        assert section.panel in panels
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_one_rule_says_that_the_database_is_away_and_the_others_keep_their_state() -> None:
    """A failed query gives no values: a rule with execErrState Error sends its own template unfilled."""
    assert {rule["uid"] for rule in rules() if rule["execErrState"] == "Alerting"} == {"autoqos-database-away"}
    away = next(rule for rule in rules() if rule["execErrState"] == "Alerting")
    assert "{{" not in away["annotations"]["summary"] + away["annotations"]["description"]
    assert {rule["execErrState"] for rule in rules()} == {"Alerting", "KeepLast"}


def test_no_data_is_no_alarm_so_that_an_empty_database_is_silent() -> None:
    assert {rule["noDataState"] for rule in rules()} == {"OK"}


def test_every_rule_but_the_two_about_silence_waits_for_ten_minutes_of_the_collector() -> None:
    for rule in rules():
        waits = any(node["refId"] == "O_q" for node in rule["data"])
        assert waits is (rule["uid"] not in ("autoqos-agent-silent", "autoqos-database-away")), rule["uid"]


def test_mail_addresses_have_a_domain_with_a_dot() -> None:
    """Grafana ends at start on "invalid email address for SMTP from_address config" otherwise, SMTP on or off."""
    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    found = re.findall(r"(?:SMTP_FROM|ALERT_EMAIL)(?::-|=)([^}\s]+)", compose + example)
    assert len(found) == 4
    for address in found:
        assert re.fullmatch(r"[\w.]+@[\w-]+(\.[\w-]+)+", address), address


def test_dashboards_go_into_the_folder_of_the_alerts_and_no_second_one() -> None:
    provider = load("dashboards/autoqos.yaml")["providers"][0]
    assert "folderUid" not in provider, "Grafana makes the alerts' folder first, with a uid of its own"
    assert {group["folder"] for group in load("alerting/rules.yaml")["groups"]} == {provider["folder"]}


def test_every_channel_uses_our_words() -> None:
    for point in load("alerting/contact-points.yaml")["contactPoints"]:
        settings = " ".join(map(str, point["receivers"][0]["settings"].values()))
        assert 'template "autoqos.title"' in settings, point["name"]
        assert 'template "autoqos.message"' in settings, point["name"]


def test_summaries_use_only_values_and_labels_that_the_rule_has() -> None:
    for rule in rules():
        refs = {node["refId"] for node in rule["data"]}
        assert set(re.findall(r"\$values\.(\w+)\.", rule["annotations"]["summary"])) <= refs, rule["uid"]
        grouped = set(
            re.findall(
                r'"(\w+)"',
                " ".join(
                    node["model"]["query"].rsplit("GROUP BY")[-1] for node in rule["data"] if "query" in node["model"]
                ),
            )
        )
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= grouped, rule["uid"]


def test_interpolated_places_carry_no_stray_dollar() -> None:
    """Labels and titles go through os.ExpandEnv: a single dollar there would vanish."""
    for rule in rules():
        assert "$" not in rule["title"] + "".join(rule["labels"].values())
        assert "${" not in rule["annotations"]["summary"]


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
