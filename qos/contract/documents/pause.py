"""``override:pause``: the enforcer is switched off by hand. There while it is; gone after ``autoqos resume``."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from qos.contract.documents.fields import VERSION, MalformedError, fields_of, required


@dataclass(frozen=True, slots=True)
class Pause:
    """``until_ns`` (UTC): when it ends by itself; None: only by hand. ``set_ns``: when somebody set it."""

    KEY: ClassVar[str] = "override:pause"

    until_ns: int | None = None
    set_ns: int = 0

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The pause; None when the document is not one."""
        fields = fields_of(document)
        if fields is None:
            return None
        try:
            return cls(required(fields, "until_ns"), required(fields, "set_ns") or 0)
        except MalformedError:
            return None

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {"v": VERSION, "until_ns": self.until_ns, "set_ns": self.set_ns}

    def holds(self, now_ns: int) -> bool:
        """Whether it is in force at ``now_ns`` (UTC)."""
        return self.until_ns is None or now_ns < self.until_ns
