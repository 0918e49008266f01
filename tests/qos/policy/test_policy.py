"""Policy as a table: rules, overrides and time in; category, priority, limits and the reasons out."""

from typing import Any

import pytest

from qos.contract.config import parse_config
from qos.contract.documents.override import Override
from qos.contract.errors import ConfigError
from qos.contract.schedule import LocalTime
from qos.policy.classification import CATEGORY_LEVELS, category_of
from qos.policy.matching import AppIdentity
from qos.policy.policy import Decision, Policy
from qos.policy.wording import sentence

MONDAY_NOON = LocalTime(0, 12 * 60)
SUNDAY_NIGHT = LocalTime(6, 23 * 60)
RULES = """
apps:
- match: "*/steamapps/*"
  category: gaming
- match: "steam*"
  down: 8mbit
- match: "service:wuauserv"
  priority: 5
  down: 2mbit
  schedule: weekdays 09:00-18:00
- match: chrome
  priority: 2
  up: 1mbit
  floor: 256kbit
- match: "*"
  up: 20mbit
"""


def said(found: Decision) -> tuple[str, ...]:
    return tuple(map(sentence, found.reasons))


def decide(
    app: str, override: Override | None = None, at: LocalTime = MONDAY_NOON, text: str = RULES, **who: Any
) -> Decision:
    return Policy(parse_config(text)).decide(AppIdentity(app, **who), override, at, 1_000)


def test_the_first_rule_that_names_a_property_decides_it() -> None:
    found = decide("steam_game", paths=("/home/a/.steam/steamapps/common/game/steam_game",))
    assert (found.category, found.priority, found.source) == ("gaming", 1, "rule")
    assert (found.down_bps, found.up_bps) == (8_000_000, 20_000_000)
    assert said(found) == (
        "category gaming: rule apps[0] (*/steamapps/*)",
        "priority 1: category gaming",
        "down at most 8.0 Mbit/s: rule apps[1] (steam*)",
        "up at most 20.0 Mbit/s: rule apps[4] (*)",
    )


def test_a_scheduled_rule_holds_only_in_its_hours() -> None:
    inside = decide("wuauserv", services=("wuauserv",))
    outside = decide("wuauserv", at=SUNDAY_NIGHT, services=("wuauserv",))
    assert inside.down_bps == 2_000_000
    assert outside.down_bps is None
    assert "weekdays 09:00-18:00" in " ".join(said(inside))


def test_a_priority_set_by_hand_wins_and_the_strictest_limit_holds() -> None:
    found = decide("chrome", Override(priority=4, down_bps=3_000_000, up_bps=5_000_000))
    assert (found.priority, found.source) == (4, "override")
    assert (found.down_bps, found.up_bps) == (3_000_000, 1_000_000)
    assert "priority 4: set by hand" in said(found)


def test_an_override_that_is_over_leaves_its_priority() -> None:
    found = decide("chrome", Override(priority=5, down_bps=1, until_ns=999))
    assert (found.priority, found.down_bps) == (5, None)


def test_level_0_is_never_limited_and_says_so() -> None:
    found = decide("chrome", Override(priority=0, down_bps=1_000_000))
    assert (found.down_bps, found.up_bps) == (None, None)
    assert said(found)[-1].startswith("no limit: level 0 is never limited")


def test_an_unknown_application_gets_the_default_level() -> None:
    found = decide("qwertz", text="default_level: 4")
    assert (found.category, found.priority, found.source) == ("unknown", 4, "default")


@pytest.mark.parametrize(
    ("app", "category"),
    [
        ("sshd", "critical"),
        ("Zoom", "calls"),
        ("valorant-win64-shipping", "gaming"),
        ("OUTLOOK", "work"),
        ("firefox-esr", "browsing"),
        ("spotify", "streaming"),
        ("qbittorrent-nox", "background"),
        ("onedrive", "background"),
        ("steam", "background"),
        ("nobody-knows-me", None),
    ],
)
def test_the_shipped_classification_knows_applications_of_both_systems(app: str, category: str | None) -> None:
    assert category_of(app) == category


def test_every_category_has_a_level() -> None:
    assert set(CATEGORY_LEVELS) == {"critical", "gaming", "calls", "work", "browsing", "streaming", "background"}
    assert set(CATEGORY_LEVELS.values()) <= set(range(6))


def test_all_bad_schedules_are_reported_at_once_with_their_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(
            "apps:\n- {match: a, schedule: never}\n- {match: b, schedule: 'mon 9-17'}\n- {match: c, schedule: 5}\n"
        )
    keys = [line.split(": ")[1] for line in caught.value.lines]
    assert keys == ["apps[0].schedule", "apps[1].schedule", "apps[2].schedule"]
