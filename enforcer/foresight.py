"""``enforcer.foresee``: background applications are held lower shortly before and during a busy time that is forecast.

The forecaster writes when the line is expected to be nearly full (``busy_times``). While such a time is near, the
lowest level gets a ceiling of a fifth of the line, so that its downloads are out of the way when the others come: the
control loop would take a few seconds and some delay to find that out. It changes the level's settings and the reasons,
nothing else; it is off by default, and nothing happens without a fresh forecast.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Final, Protocol

from enforcer.allocation.planner import AppPlan, Settings
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.documents.busy_times import BusyTime, BusyTimes
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.reason import Cause, Reason
from qos.contract.units import format_bps

_log: Final = logging.getLogger(__name__)

BACKGROUND: Final = 5
"""The level that is held lower."""
LEAD_NS: Final = 600 * 10**9
"""So long before a busy time it begins."""
SHARE_PERCENT: Final = 20
"""Of the line, for the whole level."""
LOOK_NS: Final = 10 * 10**9
SHARES: Final = (Cause.CEILING_SHARE, Cause.LATENCY_SHARE, Cause.LINK_SHARE)
"""What a rate of an application that is held was a share of."""


class BusyTimesReader(Protocol):
    """The part of the store that is read."""

    def get_state(self, key: str) -> Any | None:
        """A document, or None."""


class Foresight:
    """See the module. Times are UTC, ns; ``zone`` None: the computer's own, for the words."""

    def __init__(self, store: BusyTimesReader, zone: tzinfo | None = None) -> None:
        self._store, self._zone = store, zone
        self._known = BusyTimes()
        self._looked_ns: int | None = None
        self._spans: dict[Direction, tuple[BusyTime, int]] = {}
        self._said: dict[Direction, int] = {}
        self._news: list[tuple[str, str, str]] = []

    def tightened(self, settings: Settings, wall_ns: int, *, wanted: bool) -> Settings:
        """The settings for now: with a ceiling for the lowest level while a busy time is near."""
        self._spans = {way: found for way in DIRECTIONS if wanted and (found := self._near(way, wall_ns))}
        self._say()
        if not self._spans:
            return settings
        level = settings.levels[BACKGROUND]
        lower: dict[str, int] = {}
        for way, (_, capacity) in self._spans.items():
            own = level.down if way == "down" else level.up
            ceiling = _ceiling(capacity, level.floor)
            lower[way] = ceiling if own is None else min(own, ceiling)
        return replace(settings, levels={**settings.levels, BACKGROUND: level.model_copy(update=lower)})

    def explained(self, plans: Mapping[str, AppPlan], settings: Settings) -> dict[str, AppPlan]:
        """The plans with the reason behind a ceiling that only the forecast set. ``settings``: the person's."""
        if not self._spans:
            return dict(plans)
        return {
            app: replace(one, reasons=tuple(self._why(reason, settings) for reason in one.reasons))
            for app, one in plans.items()
        }

    def take_news(self) -> list[tuple[str, str, str]]:
        """Kind, subject and message of what began or ended since the last call."""
        news, self._news = self._news, []
        return news

    def _why(self, reason: Reason, settings: Settings) -> Reason:
        way = reason.subject.value
        if reason.cause not in SHARES or reason.level != BACKGROUND or way not in DIRECTIONS:
            return reason
        level = settings.levels[BACKGROUND]
        found, own = (self._spans.get("down"), level.down) if way == "down" else (self._spans.get("up"), level.up)
        if found is None:
            return reason
        ceiling = _ceiling(found[1], level.floor)
        if (own is not None and own <= ceiling) or (reason.of_bps or ceiling) < ceiling:
            return reason
        return replace(reason, cause=Cause.FORESEEN, name=self._times(found[0]), of_bps=ceiling)

    def _near(self, way: Direction, wall_ns: int) -> tuple[BusyTime, int] | None:
        if self._looked_ns is None or not 0 <= wall_ns - self._looked_ns < LOOK_NS:
            self._looked_ns = wall_ns
            try:
                self._known = BusyTimes.parse(self._store.get_state(BusyTimes.KEY))
            except (StoreUnavailable, StoreRejected) as error:
                _log.warning("the busy times cannot be read now, the last ones stay: %s", error)
        return self._known.at(way, wall_ns, LEAD_NS)

    def _say(self) -> None:
        for way in DIRECTIONS:
            found = self._spans.get(way)
            if found is not None and self._said.get(way) != found[0].stop_ns:
                span, capacity = found
                self._said[way] = span.stop_ns
                ceiling = format_bps(_ceiling(capacity, 0))
                self._news.append(
                    (
                        "foresee",
                        way,
                        f"{way}: a busy time is forecast {self._times(span)} (up to {format_bps(span.expected_bps)} of "
                        f"{format_bps(capacity)}): background applications are held to {ceiling} together",
                    )
                )
            elif found is None and self._said.pop(way, None) is not None:
                self._news.append(("foresee", way, f"{way}: the busy time that was forecast is over"))

    def _times(self, span: BusyTime) -> str:
        start, stop = (datetime.fromtimestamp(ns // 10**9, self._zone) for ns in (span.start_ns, span.stop_ns))
        return f"{start:%H:%M}-{stop:%H:%M}"


def _ceiling(capacity_bps: int, floor_bps: int) -> int:
    """Never below what the level is assured of."""
    return max(capacity_bps * SHARE_PERCENT // 100, floor_bps)
