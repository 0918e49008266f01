"""What processes of ours that are gone left behind, taken away on request (``autoqos status --repair``)."""

import sys
from collections.abc import Callable, Mapping

from qos.contract.errors import ConfigError
from qos.packets.divert import available, unregister


def repair(why_not: Callable[[], str | None] = available) -> dict[str, int]:
    """Take it away; how many of each kind there were. Raises ConfigError without the right, OSError."""
    if reason := why_not():
        raise ConfigError(f"--repair: {reason}")
    unregister()
    counts: dict[str, int] = {}
    if sys.platform == "linux":
        from enforcer.datapath.kernel.devices import remove_leftovers
        from enforcer.failsafe import leftovers_linux

        counts = {"idle network device": remove_leftovers(), "dead packet filter": leftovers_linux.remove()}
    return {what: count for what, count in counts.items() if count}


def in_words(removed: Mapping[str, int]) -> list[str]:
    """A line for each kind; one that says so when there was nothing."""
    lines = [f"removed {count} {what}{'s' if count > 1 else ''}" for what, count in removed.items()]
    return lines or ["nothing was left behind by an AutoQoS that is gone"]
