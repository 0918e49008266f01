"""``override:app:<app>``: the priority and the limits that a person set by hand for one application."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from qos.contract.documents.fields import MAX_BPS, VERSION, MalformedError, fields_of, required


@dataclass(frozen=True, slots=True)
class Override:
    """Set by hand; None: not set. Rates in bits per second, times in UTC nanoseconds.

    ``until_ns`` ends the limits, not the priority; ``set_ns`` is when somebody touched it last.
    """

    PREFIX: ClassVar[str] = "override:app:"

    priority: int | None = None
    down_bps: int | None = None
    up_bps: int | None = None
    until_ns: int | None = None
    set_ns: int = 0

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The override; None when the document is not one: somebody else's mistake limits nobody."""
        fields = fields_of(document)
        if fields is None:
            return None
        try:
            return cls(
                priority=required(fields, "priority", 5),
                down_bps=required(fields, "down_bps", MAX_BPS),
                up_bps=required(fields, "up_bps", MAX_BPS),
                until_ns=required(fields, "until_ns"),
                set_ns=required(fields, "set_ns") or 0,
            )
        except MalformedError:
            return None

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {
            "v": VERSION,
            "priority": self.priority,
            "down_bps": self.down_bps,
            "up_bps": self.up_bps,
            "until_ns": self.until_ns,
            "set_ns": self.set_ns,
        }

    def at(self, now_ns: int) -> Self:
        """What of it still holds at ``now_ns`` (UTC)."""
        if self.until_ns is None or now_ns < self.until_ns:
            return self
        return replace(self, down_bps=None, up_bps=None, until_ns=None)

    @property
    def limited(self) -> bool:
        """Whether it sets a rate."""
        return self.down_bps is not None or self.up_bps is not None

    @property
    def empty(self) -> bool:
        """Whether it sets nothing at all."""
        return self.priority is None and not self.limited


def overrides_from(documents: Mapping[str, Any]) -> dict[str, Override]:
    """All overrides among the store's states, by application; what is none is left out."""
    found = {
        key.removeprefix(Override.PREFIX): Override.parse(document)
        for key, document in documents.items()
        if key.startswith(Override.PREFIX)
    }
    return {app: override for app, override in found.items() if override is not None}
