"""The lines and loads that a call is timed on: named ones, and ones drawn by chance from a grid."""

import random
from dataclasses import dataclass

from tests.lab import PEER4

RULES = """apps:
- {match: call, priority: 1}
- {match: browser, priority: 3}
- {match: bulk, priority: 5}
- {match: backup, priority: 5}
"""


@dataclass(frozen=True)
class Scenario:
    """One line and its load. Seconds count from the load's start.

    ``changes``: (seconds, down, up); ``happens``: (seconds, what), see ``bench.win.happenings``; ``delay_ms`` and
    ``jitter_ms``: the path's own round trip, wandering as Wi-Fi's does; ``stamps``: targets answer ICMP timestamps, as
    few do; ``other_seconds``: from when to when another device downloads; ``levels``: bulk downloads of these levels
    instead of the usual load.
    """

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
    happens: tuple[tuple[float, str], ...] = ()
    delay_ms: float = 0
    jitter_ms: float = 0
    stamps: bool = False
    other_seconds: tuple[float, float] = (0, 25)
    levels: tuple[int, ...] = ()
    lead_s: float = 5

    @property
    def peer(self) -> str:
        """The server's address: behind the path with a delay of its own, or not."""
        return DELAYED if self.delay_ms or self.jitter_ms else PEER4

    @property
    def loaded(self) -> bool:
        """Whether there is any load."""
        return bool(self.flows or self.browser or self.two_sided or self.levels)


DELAYED = "10.77.2.1"


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
        Scenario("shared-other", shared=True, other_load=True, other_seconds=(8, 25), seconds=45),
        Scenario("stamps", stamps=True),
        Scenario("jitter", delay_ms=20, jitter_ms=15),
        Scenario("delayed", delay_ms=40),
        Scenario("idle-jitter", flows=0, browser=False, two_sided=False, delay_ms=20, jitter_ms=15, seconds=600),
        Scenario("unreachable", unreachable=True),
        Scenario("silent", happens=((12, "silence"),), seconds=35),
        Scenario("few-answers", happens=((-4, "rate-limit"),)),
        Scenario("powerboost", down=50, up=10, two_sided=False, browser=False, changes=((10, 20, 10),), seconds=35),
        Scenario("vpn", happens=((10, "vpn up"), (20, "vpn down")), seconds=35),
        Scenario("roaming", happens=((12, "roam"),), changes=((12, 8, 4),), seconds=35),
        Scenario("shares", levels=(3, 4, 5), two_sided=False, browser=False, flows=0, seconds=30),
    )
}


def drawn(seed: int, count: int) -> list[Scenario]:
    """Scenarios from the grid, by chance."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        down, up = chance.choice([(4, 1), (20, 10), (50, 5), (100, 20), (300, 50)])
        shared = chance.random() < 0.3
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
                shared=shared,
                gateway_target=shared and chance.random() < 0.5,
                jitter_ms=0 if shared or chance.random() < 0.7 else 15,
                stamps=chance.random() < 0.3,
            )
        )
    return found


def config_of(scenario: Scenario, mode: str) -> tuple[str, str]:
    """The enforcer's mode and its settings."""
    targets = ["10.77.9.9"] if scenario.unreachable else [scenario.peer]
    if scenario.gateway_target:
        targets.append("10.77.0.254")
    rules = RULES + "".join(f"- {{match: level{level}, priority: {level}}}\n" for level in scenario.levels)
    text = f"collector: {{targets: [{', '.join(targets)}]}}\n{rules}"
    if mode == "link":
        text += f"link: {{down: {int(scenario.down * 950)}kbit, up: {int(scenario.up * 950)}kbit}}\n"
    if mode in ("auto", "known", "link"):
        return "enforce", text
    return "observe", text
