"""The level on a point is the enforcer's: what it wrote, else what its own policy says."""

import pytest

from collector.accounting.priorities import Priorities
from qos.contract.config import parse_config
from qos.contract.documents.limits import STALE_NS, EnforcedApp, Limits
from qos.contract.documents.override import Override
from qos.contract.schedule import LocalTime
from qos.policy.applications import ProcessIdentity
from qos.policy.matching import AppIdentity
from qos.policy.policy import Policy

MONDAY_NOON, SUNDAY = LocalTime(0, 720), LocalTime(6, 720)
CONFIG = parse_config(
    """
default_level: 3
apps:
- {match: "Zoom*", category: call}
- {match: "Zoom.exe", priority: 0}
- {match: "*/SteamApps/*", priority: 1}
- {match: "service:wua*", priority: 5}
- {match: "zoom-updater", priority: 5}
- {match: "backup", priority: 5, schedule: weekdays 09:00-18:00}
- {match: "player", category: streaming}
"""
)


def who(app: str, exe: str = "", *, service: bool = False) -> ProcessIdentity:
    return ProcessIdentity(pid=1, started_ns=0, app=app, name=app, exe=exe, service=service, background=False)


CASES = [
    ("ZOOM", "", False, 0),  # Zoom.exe means zoom, whatever the case: it was 3 here and 0 in the enforcer
    ("vlc", "", False, 4),  # its category's level: it was 3 here and 4 in the enforcer
    ("player", "", False, 4),
    ("zoom-updater", "", False, 5),
    ("game", "/home/a/.steam/steamapps/common/game", False, 1),
    ("game", r"C:\Steam\steamapps\game.exe", False, 1),
    ("wuauserv", "", True, 5),
    ("backup", "", False, 5),
    ("nobody-knows-me", "/usr/bin/x", False, 3),
]


@pytest.mark.parametrize(("app", "exe", "service", "expected"), CASES)
def test_without_an_enforcer_the_same_policy_decides(app: str, exe: str, service: bool, expected: int) -> None:
    levels = Priorities(CONFIG)
    levels.follow(None, {}, MONDAY_NOON, 0)
    identity = who(app, exe, service=service)
    assert levels.of(app, identity) == expected
    assert expected == Policy(CONFIG).decide(AppIdentity.of(app, identity), None, MONDAY_NOON, 0).priority


def test_a_schedule_and_a_priority_set_by_hand_are_followed_as_they_change() -> None:
    levels = Priorities(CONFIG)
    levels.follow(None, {}, MONDAY_NOON, 0)
    assert levels.of("backup", who("backup")) == 5
    levels.follow(None, {}, SUNDAY, 0)
    assert levels.of("backup", who("backup")) == 3
    levels.follow(None, {"backup": Override(priority=1)}, SUNDAY, 0)
    assert levels.of("backup", who("backup")) == 1
    levels.configure(parse_config("default_level: 4"))
    levels.follow(None, {}, SUNDAY, 0)
    assert levels.of("backup", who("backup")) == 4


def test_what_a_running_enforcer_decided_comes_first() -> None:
    levels = Priorities(CONFIG)
    limits = Limits(time_ns=0, apps={"zoom": EnforcedApp(priority=2)})
    levels.follow(limits, {}, MONDAY_NOON, STALE_NS)
    assert levels.of("zoom", who("zoom")) == 2
    levels.follow(limits, {}, MONDAY_NOON, STALE_NS + 1)
    assert levels.of("zoom", who("zoom")) == 0
