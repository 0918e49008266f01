"""The lines and loads that a call is timed on: named ones, and ones drawn by chance from a grid."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.lab import PEER4

RULES = """apps:
- {match: call, priority: 1}
- {match: browser, priority: 3}
- {match: bulk, priority: 5}
- {match: backup, priority: 5}
"""


@dataclass(frozen=True)
class Scenario:
    """One line and its load. ``changes``: (seconds after the load's start, down, up)."""

    name: str
    down: float = 20
    up: float = 10
    buffer_ms: float = 500
    two_sided: bool = True
    browser: bool = True
    flows: int = 4
    control: str = "cubic"
    changes: tuple[tuple[float, float, float], ...] = ()
    shared: bool = False
    other_load: bool = False
    gateway_target: bool = False
    unreachable: bool = False
    seconds: float = 25
    extra: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    s.name: s
    for s in (
        Scenario("base"),
        Scenario("down-only", two_sided=False, browser=False),
        Scenario("up-only", flows=0, browser=False),
        Scenario("slow", down=4, up=1),
        Scenario("vdsl", down=50, up=5),
        Scenario("cable", down=100, up=20),
        Scenario("fast", down=300, up=50, flows=8),
        Scenario("deep", buffer_ms=1000),
        Scenario("shallow", buffer_ms=100),
        Scenario("one-flow", flows=1),
        Scenario("many-flows", flows=64),
        Scenario("bbr", control="bbr"),
        Scenario("change-20-8-20", two_sided=False, browser=False, changes=((20, 8, 10), (40, 20, 10)), seconds=62),
        Scenario(
            "change-100-30-100",
            down=100,
            up=20,
            two_sided=False,
            browser=False,
            changes=((20, 30, 20), (40, 100, 20)),
            seconds=62,
        ),
        Scenario("shared-gateway", shared=True, gateway_target=True),
        Scenario("shared-other", shared=True, other_load=True, seconds=40),
        Scenario("unreachable", unreachable=True),
    )
}


def drawn(seed: int, count: int) -> list[Scenario]:
    """Scenarios from the grid, by chance."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        down, up = chance.choice([(4, 1), (20, 10), (50, 5), (100, 20)])
        found.append(
            Scenario(
                f"random-{seed}-{number}",
                down=down,
                up=up,
                buffer_ms=chance.choice([100, 500, 1000]),
                two_sided=chance.random() < 0.6,
                browser=chance.random() < 0.7,
                flows=chance.choice([1, 8, 64]),
                control=chance.choice(["cubic", "cubic", "bbr"]),
                shared=chance.random() < 0.3,
            )
        )
    return found


def config_of(scenario: Scenario, mode: str) -> tuple[str, str]:
    """The enforcer's mode and its settings."""
    targets = ["10.77.9.9"] if scenario.unreachable else [PEER4]
    if scenario.gateway_target:
        targets.append("10.77.0.254")
    text = f"collector: {{targets: [{', '.join(targets)}]}}\n{RULES}"
    if mode == "link":
        text += f"link: {{down: {int(scenario.down * 950)}kbit, up: {int(scenario.up * 950)}kbit}}\n"
    if mode in ("auto", "known", "link"):
        return "enforce", text
    return "observe", text
