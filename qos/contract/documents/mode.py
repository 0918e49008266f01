"""``override:mode``: what the enforcer does, set by hand where there is no configuration file to write it into."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from qos.contract.documents.fields import VERSION, fields_of, text, whole

EnforcerMode = Literal["observe", "dry_run", "enforce"]


@dataclass(frozen=True, slots=True)
class ModeOverride:
    """``mode`` as in ``config.yaml``; ``set_ns`` (UTC): when somebody set it."""

    KEY: ClassVar[str] = "override:mode"

    mode: EnforcerMode
    set_ns: int = 0

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The mode; None when the document names none."""
        fields = fields_of(document)
        if fields is None:
            return None
        for mode in ("observe", "dry_run", "enforce"):
            if text(fields, "mode") == mode:
                return cls(mode, whole(fields, "set_ns") or 0)
        return None

    def dump(self) -> dict[str, Any]:
        """The document."""
        return {"v": VERSION, "mode": self.mode, "set_ns": self.set_ns}
