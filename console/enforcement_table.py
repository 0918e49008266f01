"""``autoqos apps`` and ``autoqos why``: what the enforcer decided, as a table, as JSON and in sentences. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from console.enforcement import AppPolicy, Enforcement
from console.moments import rfc3339
from console.overrides import Override
from console.views import rate
from qos.config import Config
from qos.units import format_bps


def document(found: Enforcement) -> dict[str, Any]:
    """JSON's object; the shape is kept stable."""
    return {
        "running": found.running,
        "mode": found.mode,
        "state": found.state,
        "reason": found.reason,
        "paused": found.paused,
        "paused_until": rfc3339(found.paused_until_ns) if found.paused_until_ns is not None else None,
        "apps": [policy.document() for policy in found.apps],
    }


def render(found: Enforcement) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """Columns and rows of the table; rates in bit/s."""
    columns = [
        ("Application", False),
        ("Category", False),
        ("Pri", True),
        ("From", False),
        ("▼ now", True),
        ("▲ now", True),
        ("▼ limit", True),
        ("▲ limit", True),
        ("Delayed", True),
        ("Dropped", True),
        ("Queue", True),
    ]
    return columns, [_row(policy) for policy in found.apps]


def _row(policy: AppPolicy) -> list[str]:
    numbers = policy.numbers
    queue = numbers["queue_ms"]
    return [
        policy.app,
        policy.category or "",
        "" if policy.priority is None else str(policy.priority),
        policy.source,
        rate(policy.rx_bps),
        rate(policy.tx_bps),
        _limit(numbers["down_bps"]),
        _limit(numbers["up_bps"]),
        _count(numbers["delayed_packets"]),
        _count(numbers["dropped_packets"]),
        "" if not queue else f"{queue:.1f} ms",
    ]


def _limit(bps: float | None) -> str:
    return "" if bps is None else rate(bps)


def _count(value: float | None) -> str:
    return "" if not value else f"{value:.0f}"


def explain(
    found: Enforcement, config: Config, app: str, by_hand: Override, clock_time: Callable[[int], str]
) -> Iterator[str]:
    """The chain of reasons in sentences, the result first. ``clock_time`` writes a moment as local time."""
    policy = found.find(app)
    if policy is None:
        yield f"{app}: not seen lately and nothing is set for it by hand"
    elif policy.priority is None:
        yield f"{app}: no priority decided yet"
    else:
        level = config.levels.get(policy.priority)
        yield f"{app}: priority {policy.priority}" + (f" ({level.name})" if level else "")
    if policy is not None:
        yield from (f"  {reason}" for reason in policy.reasons)
        down, up = policy.numbers["down_bps"], policy.numbers["up_bps"]
        if down is None and up is None:
            yield "  no limit: its packets never pass through AutoQoS"
        else:
            sides = [f"{name} {format_bps(bps)}" for name, bps in (("down", down), ("up", up)) if bps is not None]
            yield f"  limit: {', '.join(sides)}"
        if policy.rx_bps or policy.tx_bps:
            yield f"  it uses {format_bps(policy.rx_bps)} down, {format_bps(policy.tx_bps)} up now"
    if by_hand != Override():
        until = f" (the limits until {clock_time(by_hand.until_ns)})" if by_hand.until_ns is not None else ""
        yield f"  set by hand: {by_hand}{until}"
    if found.running and found.reason:
        yield f"  enforcer: {found.state}, {found.reason}"
    note = found.note()
    if note:
        yield f"  {note}"
