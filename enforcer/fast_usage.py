"""What each application's TCP connections move now, ten times a second; one file per system.

The collector says it once a second; a new download has filled the line's buffer by then. Where the system does not tell
it cheaply, nothing is said and the collector's figures stand. On Windows GetPerTcpConnectionEStats would tell, at the
price of switching it on for each connection: not done.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from enforcer.allocation.planner import Usage
from qos.policy.applications import ProcessIdentity
from qos.system.processes import Processes


class FastUsage(Protocol):
    """Reads counters; keeps what it read last."""

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """Who was met lately, by application."""

    def read(self, now_ns: int) -> Mapping[str, Usage]:
        """Bits per second since the last call, by application; empty the first time and after a pause."""


class NoFastUsage:
    """Where the system does not tell."""

    identities: Mapping[str, ProcessIdentity] = MappingProxyType({})

    def read(self, now_ns: int) -> Mapping[str, Usage]:
        """Nothing."""
        return {}


if sys.platform == "linux":
    from enforcer.fast_usage_linux import TcpUsage

    def fast_usage(processes: Processes) -> FastUsage:
        """This system's."""
        return TcpUsage(processes)

else:

    def fast_usage(processes: Processes) -> FastUsage:
        """This system's."""
        return NoFastUsage()
