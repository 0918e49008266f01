"""``autoqos apps`` and ``autoqos why``: what the enforcer decided, as a table, as JSON and in sentences. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from console.views.enforcement import AppPolicy, Enforcement
from console.views.table_format import rate
from console.views.times import local_time, rfc3339
from qos.contract.config import Config
from qos.contract.documents.override import Override
from qos.contract.units import format_bps
from qos.policy.wording import sentence

if TYPE_CHECKING:
    from qos.policy.policy import Decision


WIDE: Final = 112
"""Columns that the table needs; a narrower terminal gets lines."""


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


def narrow(found: Enforcement) -> Iterator[str]:
    """The same in lines of 80 columns; what happened to a limited application's packets stands below it."""
    yield f"{'Application':<22} {'Category':<12} Pri {'▼ now':>8} {'▲ now':>8} {'▼ limit':>8} {'▲ limit':>8}"
    for policy in found.apps:
        app, category, level, source, *rates, delayed, dropped, queue = _row(policy)
        name = app if len(app) <= 22 else f"{app[:21]}…"
        yield f"{name:<22} {category:<12.12} {level:>3} " + " ".join(f"{text:>8}" for text in rates)
        if policy.limited:
            words = [f"{delayed or 0} delayed", f"{dropped or 0} dropped", f"queue {queue}" if queue else ""]
            yield f"  by {source or 'nobody yet'}: {', '.join(word for word in words if word)}"


def _row(policy: AppPolicy) -> list[str]:
    return [
        policy.app,
        policy.category or "",
        "" if policy.priority is None else str(policy.priority),
        policy.source,
        rate(policy.rx_bps),
        rate(policy.tx_bps),
        _limit(policy.down_bps),
        _limit(policy.up_bps),
        _count(policy.delayed_packets),
        _count(policy.dropped_packets),
        "" if not policy.queue_ms else f"{policy.queue_ms:.1f} ms",
    ]


def _limit(bps: float | None) -> str:
    return "" if bps is None else rate(bps)


def _count(value: float | None) -> str:
    return "" if not value else f"{value:.0f}"


def explain(
    found: Enforcement, config: Config, app: str, by_hand: Override, decision: "Decision | None"
) -> Iterator[str]:
    """The chain of reasons in sentences, the result first.

    ``decision`` is what the rules say, worked out here because no enforcer is running; None while one is.
    """
    policy = found.find(app)
    if decision is not None:
        yield f"{app}: priority {decision.priority}{_level(config, decision.priority)} by the rules"
        yield from (f"  {sentence(reason)}" for reason in decision.reasons)
        yield from _limits(decision.down_bps, decision.up_bps)
    elif policy is None or policy.priority is None:
        yield f"{app}: not seen lately: the enforcer decides when it uses the network"
    else:
        yield f"{app}: priority {policy.priority}{_level(config, policy.priority)}"
        yield from (f"  {sentence(reason)}" for reason in policy.reasons)
        yield from _limits(policy.down_bps, policy.up_bps)
    if policy is not None and (policy.rx_bps or policy.tx_bps):
        yield f"  it uses {format_bps(policy.rx_bps)} down, {format_bps(policy.tx_bps)} up now"
    if by_hand.until_ns is not None:
        yield f"  the limits by hand end at {local_time(by_hand.until_ns)}"
    if found.running and found.reason:
        yield f"  enforcer: {found.state}, {found.reason}"
    note = found.note()
    if note:
        yield f"  {note}"


def _level(config: Config, priority: int) -> str:
    level = config.levels.get(priority)
    return f" ({level.name})" if level else ""


def _limits(down_bps: float | None, up_bps: float | None) -> Iterator[str]:
    sides = [f"{name} {format_bps(bps)}" for name, bps in (("down", down_bps), ("up", up_bps)) if bps is not None]
    yield f"  limit: {', '.join(sides)}" if sides else "  no limit: its packets never pass through AutoQoS"
