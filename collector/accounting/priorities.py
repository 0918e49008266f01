"""The priority that a point carries: the enforcer's decision, else the config's rules, else the default. Pure.

The enforcer decides; this only repeats it, and stands in for it while it does not run.
"""

import fnmatch
from collections.abc import Mapping
from typing import Any, Final

from qos.contract.config import LEVELS, AppRule, Config
from qos.policy.applications import Identity

STALE_NS: Final = 30 * 10**9
"""An older ``limits`` document is that of an enforcer which no longer runs."""


def decided(limits: Any, now_ns: int) -> dict[str, int]:
    """The levels in a ``limits`` document by application; empty when it is absent, stale or of another shape."""
    if not isinstance(limits, Mapping) or not isinstance(limits.get("time_ns"), int):
        return {}
    apps = limits.get("apps")
    if abs(now_ns - limits["time_ns"]) > STALE_NS or not isinstance(apps, Mapping):
        return {}
    levels = ((app, entry.get("priority")) for app, entry in apps.items() if isinstance(entry, Mapping))
    return {app: level for app, level in levels if type(level) is int and level in LEVELS}


def matches(rule: AppRule, app: str, who: Identity) -> bool:
    """Whether a rule is about this application: by name, by path (a slash in the glob), or by service."""
    glob = rule.match.lower()
    if glob.startswith("service:"):
        return who.service and fnmatch.fnmatchcase(app.lower(), glob.removeprefix("service:"))
    if "/" in glob or "\\" in glob:
        return fnmatch.fnmatchcase(who.exe.lower().replace("\\", "/"), glob.replace("\\", "/"))
    return fnmatch.fnmatchcase(app.lower(), glob)


def priority(app: str, who: Identity, config: Config, by_enforcer: Mapping[str, int]) -> int:
    """The level of one application, 0 to 5."""
    if app in by_enforcer:
        return by_enforcer[app]
    for rule in config.apps:
        if rule.priority is not None and matches(rule, app, who):
            return rule.priority
    return config.default_level
