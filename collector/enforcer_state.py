"""What the enforcer decided, as the collector needs it: levels of the rows, dropped bytes, whether limits are in force.

Read from the documents ``limits`` and ``override:*``. While no enforcer runs, the same policy decides the levels here.
"""

from contextlib import suppress
from typing import Any, Final, Protocol

from collector.accounting.priorities import Priorities
from collector.accounting.shaper_drops import ShaperDrops
from qos.contract.config import Config
from qos.contract.documents.limits import Limits
from qos.contract.documents.override import Override, overrides_from
from qos.contract.errors import StoreUnavailable
from qos.system import clock
from qos.system.clock import NS_PER_S

LIMITS_NS: Final = NS_PER_S // 2
"""How often the documents are read while nobody is limited (66 µs); else in every tick. What a limit drops in its first
second has its name in time only where the tick after it knows of the limit."""


class StateReader(Protocol):
    """The part of the embedded store that is read here."""

    def get_state(self, key: str) -> Any | None:
        """The JSON document under ``key``, or None."""

    def states(self, prefix: str) -> dict[str, Any]:
        """All documents whose key starts so, by key."""


class EnforcerState:
    """See the module. ``now_ns`` is monotonic, ``wall_ns`` UTC."""

    def __init__(self, config: Config, store: StateReader) -> None:
        self._store = store
        self._limits: Limits | None = None
        self._read_ns: int | None = None
        self._drops = ShaperDrops()
        self.priorities = Priorities(config)
        """Level and reason of each application."""

    def look(self, now_ns: int, wall_ns: int) -> None:
        """Read the documents, if it is time to."""
        if self._read_ns is not None and now_ns - self._read_ns < LIMITS_NS and not self._in_force:
            return
        self._read_ns = now_ns
        with suppress(StoreUnavailable):  # the last known levels hold
            self._limits = Limits.parse(self._store.get_state(Limits.KEY))
            overrides = overrides_from(self._store.states(Override.PREFIX))
            self.priorities.follow(self._limits, overrides, clock.local_time(wall_ns), wall_ns)

    def enforcing(self, wall_ns: int) -> bool:
        """Whether limits are in force now."""
        return self._in_force and self.limits(wall_ns) is not None

    def limits(self, wall_ns: int) -> Limits | None:
        """What an enforcer said, when it said something lately."""
        return self._limits if self._limits is not None and self._limits.fresh(wall_ns) else None

    def dropped(self, wall_ns: int, backend: str) -> dict[str, int]:
        """Inbound bytes that the enforcer dropped since the last call and ``backend`` did not count, by application."""
        totals, limits = None, self.limits(wall_ns)
        if limits is not None:
            totals = {app: found.dropped_down_bytes for app, found in limits.apps.items()}
        return self._drops.since_last(totals, backend)

    def late_ns(self, wall_ns: int) -> int:
        """Bytes counted less than so long ago may still turn out to be dropped ones; 0 while nobody is limited.

        The enforcer tells its totals once a second, later on a busy machine: what came after that is not known yet.
        """
        if self._limits is None or not self.enforcing(wall_ns):
            return 0
        return max(0, wall_ns - self._limits.time_ns)

    @property
    def _in_force(self) -> bool:
        return self._limits is not None and self._limits.state == "enforcing"
