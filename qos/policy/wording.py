"""Reasons in plain English, for views, events and the ``reason`` of rows. Nothing reads these sentences back."""

from collections.abc import Callable
from typing import Final

from qos.contract.reason import Cause, Reason, RuleReference, Subject
from qos.contract.units import format_bps


def sentence(reason: Reason) -> str:
    """One line, such as ``down at most 2.0 Mbit/s: set by hand``."""
    return f"{_decided(reason)}: {_CAUSES[reason.cause](reason)}"


def _decided(reason: Reason) -> str:
    if reason.subject is Subject.CATEGORY:
        return f"category {reason.name or 'unknown'}"
    if reason.subject is Subject.PRIORITY:
        return f"priority {reason.value}"
    if reason.subject is Subject.LIMITS:
        return "no limit"
    most = "" if reason.subject is Subject.FLOOR or reason.cause is Cause.LEAST else "at most "
    return f"{reason.subject} {most}{format_bps(reason.value or 0)}"


def _rule(rule: RuleReference | None) -> str:
    if rule is None:
        return "rule"
    return f"rule apps[{rule.index}] ({rule.match}{', ' if rule.schedule else ''}{rule.schedule})"


def _level(reason: Reason) -> str:
    return f"level {reason.level} ({reason.level_name})"


_CAUSES: Final[dict[Cause, Callable[[Reason], str]]] = {
    Cause.HAND: lambda _: "set by hand",
    Cause.RULE: lambda reason: _rule(reason.rule),
    Cause.CLASSIFICATION: lambda _: "shipped classification",
    Cause.UNKNOWN: lambda _: "neither a rule nor the shipped classification knows it",
    Cause.CATEGORY: lambda reason: f"category {reason.name}",
    Cause.DEFAULT: lambda _: "default_level",
    Cause.CRITICAL: lambda _: "level 0 is never limited, the limits above do not apply",
    Cause.LINK_SHARE: lambda reason: (
        f"share of {_level(reason)} in link.{reason.subject} {format_bps(reason.of_bps or 0)}"
    ),
    Cause.CEILING_SHARE: lambda reason: f"share of the ceiling {format_bps(reason.of_bps or 0)} of {_level(reason)}",
    Cause.FORESEEN: lambda reason: (
        f"the line is expected to be busy {reason.name}, "
        f"{_level(reason)} has {format_bps(reason.of_bps or 0)} until then"
    ),
    Cause.LATENCY_SHARE: lambda reason: f"its share of what latency allows ({format_bps(reason.of_bps or 0)})",
    Cause.LEAST: lambda _: "raised, so that connections survive",
}
