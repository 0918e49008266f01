"""The priority that a point carries: the enforcer's decision, else what the enforcer would decide. Pure.

The enforcer decides; this repeats it, and stands in for it with the same policy while it does not run.
"""

from collections.abc import Mapping

from qos.contract.config import Config
from qos.contract.documents.limits import Limits
from qos.contract.documents.override import Override
from qos.contract.schedule import LocalTime
from qos.policy.applications import ProcessIdentity
from qos.policy.matching import AppIdentity
from qos.policy.policy import Policy


class Priorities:
    """Levels of applications. Decisions of the policy are remembered until anything that they depend on changes."""

    def __init__(self, config: Config) -> None:
        self._policy = Policy(config)
        self._enforced: dict[str, int] = {}
        self._overrides: dict[str, Override] = {}
        self._at, self._now_ns = LocalTime(0, 0), 0
        self._decided: dict[tuple[str, str, bool], int] = {}

    def configure(self, config: Config) -> None:
        """Other rules from now on."""
        self._policy = Policy(config)
        self._decided.clear()

    def follow(self, limits: Limits | None, overrides: Mapping[str, Override], at: LocalTime, now_ns: int) -> None:
        """What the enforcer wrote and what is set by hand. ``at`` is local, ``now_ns`` UTC."""
        self._enforced = {}
        if limits is not None and limits.fresh(now_ns):
            self._enforced = {app: found.priority for app, found in limits.apps.items()}
        if at != self._at or overrides != self._overrides:
            self._decided.clear()
        self._overrides, self._at, self._now_ns = dict(overrides), at, now_ns

    def of(self, app: str, who: ProcessIdentity) -> int:
        """The level of an application, 0 to 5, given one of its processes."""
        if (level := self._enforced.get(app)) is not None:
            return level
        key = (app, who.exe, who.service)
        if (known := self._decided.get(key)) is None:
            decision = self._policy.decide(AppIdentity.of(app, who), self._overrides.get(app), self._at, self._now_ns)
            known = self._decided[key] = decision.priority
        return known
