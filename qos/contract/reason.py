"""Why an application is treated as it is: one decided thing and its cause, as values. ``qos.policy.wording`` says it.

They pass through the ``limits`` document, so every value is JSON's; a reader leaves out what it does not understand.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from qos.contract.documents.fields import Fields, inner, text, whole


class Subject(StrEnum):
    """What was decided."""

    CATEGORY = "category"
    PRIORITY = "priority"
    FLOOR = "floor"
    DOWN = "down"
    UP = "up"
    LIMITS = "limits"


class Cause(StrEnum):
    """What decided it."""

    HAND = "hand"
    """An override."""
    RULE = "rule"
    """A rule of the configuration: ``Reason.rule``."""
    CLASSIFICATION = "classification"
    """The list of well-known applications that is shipped."""
    UNKNOWN = "unknown"
    """No rule and no list knows the application."""
    CATEGORY = "category"
    """The level of its category: ``Reason.name``."""
    DEFAULT = "default"
    """``default_level`` of the configuration."""
    CRITICAL = "critical"
    """Level 0 is never limited."""
    LINK_SHARE = "link_share"
    """Its level's share of the line's capacity (``of_bps``)."""
    CEILING_SHARE = "ceiling_share"
    """Its share of the ceiling (``of_bps``) of its level."""
    FORESEEN = "foreseen"
    """Its share of a ceiling (``of_bps``) that its level has while a busy time is near that is forecast (``name``)."""
    LATENCY_SHARE = "latency_share"
    """Its share of what the control loop allows (``of_bps``)."""
    LEAST = "least"
    """A limit so low that connections would break is raised."""


@dataclass(frozen=True, slots=True)
class RuleReference:
    """``apps[index]`` of the configuration, with its texts."""

    index: int
    match: str
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One link of the chain. ``value`` is the level for a priority, bits per second for floors and limits.

    ``name`` is the category that was found or that gave the level; ``level`` and ``level_name`` tell whose share it is.
    """

    subject: Subject
    cause: Cause
    value: int | None = None
    name: str = ""
    rule: RuleReference | None = None
    level: int | None = None
    level_name: str = ""
    of_bps: int | None = None

    @classmethod
    def parse(cls, fields: Fields) -> Self | None:
        """None for what is no reason, or one that only a newer version knows."""
        try:
            subject, cause = Subject(text(fields, "subject")), Cause(text(fields, "cause"))
        except ValueError:
            return None
        rule, index = inner(fields, "rule"), whole(inner(fields, "rule"), "index")
        return cls(
            subject,
            cause,
            value=whole(fields, "value"),
            name=text(fields, "name"),
            rule=RuleReference(index, text(rule, "match"), text(rule, "schedule")) if index is not None else None,
            level=whole(fields, "level", 5),
            level_name=text(fields, "level_name"),
            of_bps=whole(fields, "of_bps"),
        )

    def dump(self) -> dict[str, Any]:
        """The object; what is not said is left out."""
        said: dict[str, Any] = {"subject": self.subject.value, "cause": self.cause.value}
        if self.rule is not None:
            said["rule"] = {"index": self.rule.index, "match": self.rule.match, "schedule": self.rule.schedule}
        further = (
            ("value", self.value),
            ("name", self.name or None),
            ("level", self.level),
            ("level_name", self.level_name or None),
            ("of_bps", self.of_bps),
        )
        return said | {key: value for key, value in further if value is not None}
