from typing import Any

import pytest

from collector.accounting.priorities import STALE_NS, decided, priority
from qos.contract.config import AppRule, Config
from qos.policy.applications import Identity

S = 10**9


def who(app: str, exe: str = "", *, service: bool = False) -> Identity:
    return Identity(pid=1, started_ns=0, app=app, name=app, exe=exe, service=service, background=False)


CONFIG = Config(
    default_level=3,
    apps=(
        AppRule(match="Zoom*", category="call"),  # names no priority: it decides none
        AppRule(match="zoom*", priority=0),
        AppRule(match="*/steamapps/*", priority=1),
        AppRule(match="service:wua*", priority=5),
        AppRule(match="zoom-updater", priority=5),
    ),
)


@pytest.mark.parametrize(
    ("app", "exe", "service", "expected"),
    [
        ("ZOOM", "", False, 0),
        ("zoom-updater", "", False, 0),  # the first rule that matches
        ("game", "/home/a/.steam/SteamApps/common/game", False, 1),
        ("game", r"C:\Steam\steamapps\game.exe", False, 1),
        ("wuauserv", "", True, 5),
        ("wuauserv", "", False, 3),
        ("curl", "/usr/bin/curl", False, 3),
    ],
)
def test_the_first_rule_that_names_a_priority_decides(app: str, exe: str, service: bool, expected: int) -> None:
    assert priority(app, who(app, exe, service=service), CONFIG, {}) == expected


def test_the_enforcers_decision_comes_first() -> None:
    assert priority("zoom", who("zoom"), CONFIG, {"zoom": 4}) == 4


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"time_ns": 0, "apps": {"zoom": {"priority": 2}}}, {"zoom": 2}),
        ({"time_ns": -STALE_NS - 1, "apps": {"zoom": {"priority": 2}}}, {}),
        ({"time_ns": 0, "apps": {"a": {"priority": 9}, "b": {"priority": True}, "c": {}, "d": 5}}, {}),
        ({"time_ns": 0, "apps": []}, {}),
        ({"apps": {}}, {}),
        (None, {}),
        ("junk", {}),
    ],
)
def test_only_a_fresh_well_formed_document_counts(limits: Any, expected: dict[str, int]) -> None:
    assert decided(limits, 0) == expected
