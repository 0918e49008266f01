"""``part:<name>``: a part says that it lives, and how it goes. Written by ``qos.service.HeartbeatWriter``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from qos.contract.documents.fields import VERSION, fields_of, text, whole

EVERY_NS: Final = 2 * 10**9
"""A part writes at least this often, unless its document says otherwise."""
_OWN: Final = frozenset({"v", "pid", "start", "time_ns", "every_ns", "state", "detail"})


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One part at ``time_ns`` (UTC). ``report`` has the further figures that this part tells of itself.

    ``pid`` and ``start`` name the process: ``start`` is ``qos.system.process_start``'s, to be compared for equality
    only (0: not known). ``every_ns``: at least this often it is written again.
    """

    PREFIX: ClassVar[str] = "part:"

    pid: int
    time_ns: int
    state: str
    detail: str = ""
    start: int = 0
    every_ns: int = EVERY_NS
    report: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The heartbeat; None when the document is not one (no PID, no time or no state)."""
        fields = fields_of(document)
        if fields is None:
            return None
        pid, time_ns, state = whole(fields, "pid", 2**32), whole(fields, "time_ns"), text(fields, "state")
        if not pid or time_ns is None or not state:
            return None
        return cls(
            pid=pid,
            time_ns=time_ns,
            state=state,
            detail=text(fields, "detail"),
            start=whole(fields, "start") or 0,
            every_ns=whole(fields, "every_ns") or EVERY_NS,
            report={key: value for key, value in fields.items() if key not in _OWN},
        )

    def dump(self) -> dict[str, Any]:
        """The document."""
        own = {
            "v": VERSION,
            "pid": self.pid,
            "start": self.start,
            "time_ns": self.time_ns,
            "every_ns": self.every_ns,
            "state": self.state,
            "detail": self.detail,
        }
        return {**self.report, **own}

    @property
    def stopped(self) -> bool:
        """Whether the part ended on purpose."""
        return self.state == "stopped"

    def fresh(self, now_ns: int) -> bool:
        """Whether it was written lately enough (UTC) for a part that lives: three beats may be missing."""
        return abs(now_ns - self.time_ns) < 3 * self.every_ns
