"""What the enforcer leaves behind: ``app_limit`` rows, an event per decision, the ``limits`` document. Pure.

A limited application has a row each tick and one at each change of what limits it; the row that ends a limit has
``active=0``. Under contention rates move all the time: only a move of more than a tenth counts as a change. Packets are
deltas since the application's last row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.allocation.planner import AppPlan
from enforcer.qdisc.classifier import ClassStats
from enforcer.qdisc.queued_packet import Counts
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.contract.documents.limits import EnforcedApp, Limits
from qos.contract.points import AppLimit, Event, Point
from qos.contract.reason import Reason, Subject
from qos.contract.units import format_bps
from qos.policy.wording import sentence

PART: Final = "enforcer"
_CHANGE: Final = 10
"""A rate that moved by more than one in so many is a change."""


@dataclass(slots=True)
class _Last:
    down_bps: int | None
    up_bps: int | None
    kind: "_Kind | None"
    delayed: int
    dropped: int
    time_ns: int
    worst_ns: int = 0


class Records:
    """Remembers what was written last."""

    def __init__(self, host: str, tick_ns: int) -> None:
        self._host, self._tick_ns = host, tick_ns
        self._last: dict[str, _Last] = {}
        self._would: dict[str, str] = {}

    def event(self, now_ns: int, kind: str, subject: str, message: str) -> Event:
        """Something that happened once. ``now_ns`` is UTC."""
        return Event(time_ns=now_ns, host=self._host, part=PART, kind=kind, subject=subject, message=message)

    def points(
        self, now_ns: int, plans: Mapping[str, AppPlan], stats: Mapping[str, Mapping[Direction, ClassStats]]
    ) -> list[Point]:
        """The rows due now (UTC). ``plans`` of the limited are those in force."""
        rows: list[Point] = []
        for app in [app for app in self._last if app not in plans or not plans[app].limited]:
            rows.append(self._end(now_ns, app))
            rows.append(self.event(now_ns, "unlimit", app, "no limit any more"))
        for app, plan in plans.items():
            if plan.limited:
                rows += self._row(now_ns, app, plan, stats.get(app, {}))
        return rows

    def would(self, now_ns: int, plans: Mapping[str, AppPlan]) -> list[Point]:
        """An event for each decision of a dry run: what would have been done."""
        now = {app: says(plan) for app, plan in plans.items() if plan.limited}
        events: list[Point] = []
        for app in sorted(now.keys() ^ self._would.keys()):
            words = f"would hold it to {now[app]}" if app in now else "would let it go"
            events.append(self.event(now_ns, "dry_run", app, words))
        self._would = now
        return events

    def end_all(self, now_ns: int) -> list[Point]:
        """Every limit ends now: paused, failed or stopped."""
        return [self._end(now_ns, app) for app in list(self._last)]

    def _row(self, now_ns: int, app: str, plan: AppPlan, sides: Mapping[Direction, ClassStats]) -> list[Point]:
        why = "; ".join(map(sentence, _binding(plan))) or "limited"
        kind = _kind(plan)
        last = self._last.get(app)
        delayed = sum(side.counts.delayed for side in sides.values())
        dropped = sum(side.counts.dropped for side in sides.values())
        worst = max((side.worst_wait_ns for side in sides.values()), default=0)
        rows: list[Point] = []
        if last is None:
            rows.append(self.event(now_ns, "limit", app, why))
            last = self._last[app] = _Last(None, None, None, 0, 0, 0)
        elif kind != last.kind:
            rows.append(self.event(now_ns, "limit", app, why))
        last.worst_ns = max(last.worst_ns, worst)
        moved = kind != last.kind or _moved(plan.down_bps, last.down_bps) or _moved(plan.up_bps, last.up_bps)
        if not moved and now_ns - last.time_ns < self._tick_ns:
            return rows
        rows.append(
            AppLimit(
                time_ns=now_ns,
                host=self._host,
                app=app,
                down_bps=plan.down_bps,
                up_bps=plan.up_bps,
                active=1,
                delayed_packets=max(0, delayed - last.delayed),
                dropped_packets=max(0, dropped - last.dropped),
                queue_ms=last.worst_ns / 1e6,
                reason=why,
            )
        )
        self._last[app] = _Last(plan.down_bps, plan.up_bps, kind, delayed, dropped, now_ns)
        return rows

    def _end(self, now_ns: int, app: str) -> AppLimit:
        del self._last[app]
        return AppLimit(
            time_ns=now_ns,
            host=self._host,
            app=app,
            active=0,
            delayed_packets=0,
            dropped_packets=0,
            queue_ms=0.0,
            reason="no limit any more",
        )


def _moved(now: int | None, before: int | None) -> bool:
    if now is None or before is None:
        return now is not before
    return abs(now - before) * _CHANGE > before


def _binding(plan: AppPlan) -> list[Reason]:
    return [reason for reason in plan.reasons if reason.subject in (Subject.DOWN, Subject.UP)]


_Kind = tuple[object, ...]


def _kind(plan: AppPlan) -> _Kind:
    """What limits, without the figures that move: a change of this is a decision."""
    causes = tuple((reason.subject, reason.cause, reason.rule, reason.level) for reason in _binding(plan))
    return plan.decision.down_bps, plan.decision.up_bps, plan.decision.priority, causes


def limits_document(
    now_ns: int,
    mode: str,
    state: str,
    *,
    reason: str,
    plans: Mapping[str, AppPlan],
    stats: Mapping[str, Mapping[Direction, ClassStats]],
    engine: EngineReport,
) -> Limits:
    """The ``limits`` document (UTC). Packet counts are totals since the application's class was made."""
    apps = {app: _app(plan, stats.get(app, {})) for app, plan in sorted(plans.items())}
    return Limits(now_ns, mode, state, reason, apps, engine)


def _app(plan: AppPlan, sides: Mapping[Direction, ClassStats]) -> EnforcedApp:
    counts = [side.counts for side in sides.values()] or [Counts()]
    return EnforcedApp(
        priority=plan.decision.priority,
        category=plan.decision.category,
        source=plan.decision.source,
        reasons=plan.reasons,
        down_bps=plan.down_bps,
        up_bps=plan.up_bps,
        demand_down_bps=plan.demand_down_bps,
        demand_up_bps=plan.demand_up_bps,
        delayed_packets=sum(count.delayed for count in counts),
        dropped_packets=sum(count.dropped for count in counts),
        dropped_down_bytes=sides["down"].counts.dropped_bytes if "down" in sides else 0,
        marked_packets=sum(count.marked for count in counts),
        queue_ms=round(max((side.worst_wait_ns for side in sides.values()), default=0) / 1e6, 3),
    )


def says(plan: AppPlan) -> str:
    """A limit in a few words, for logs and events."""
    sides = (("down", plan.down_bps), ("up", plan.up_bps))
    return ", ".join(f"{name} {format_bps(bps)}" for name, bps in sides if bps is not None) or "no limit"
