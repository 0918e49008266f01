"""Which resolution answers which part of a read. Pure interval arithmetic over [start, stop) in nanoseconds.

Three regions by age, each exact where it can be. From the raw floor on, raw rows are the truth, and a rollup stands in
for them in every whole window that is not dirty. Below the raw floor the minutes are the truth, together with late raw
rows that are not folded yet; below the minute floor the hours are, together with late minutes and late raw rows. So
below a floor nothing is counted twice by reading all levels. Windows smaller than the resolution that is left show
nothing there: a coarser row would not belong to any one of them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MINUTE_NS: Final = 60 * 10**9
HOUR_NS: Final = 3600 * 10**9

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Spans:
    """Half-open intervals, ordered, apart from each other."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "Spans":
        """The union of any intervals; empty ones vanish."""
        merged: list[Span] = []
        for low, high in sorted(spans):
            if low >= high:
                continue
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    @classmethod
    def windows(cls, starts: Iterable[int], width_ns: int) -> "Spans":
        """The union of the windows that contain the given times."""
        return cls.of((start - start % width_ns, start - start % width_ns + width_ns) for start in starts)

    def __or__(self, other: "Spans") -> "Spans":
        return Spans.of((*self.spans, *other.spans))

    def __sub__(self, other: "Spans") -> "Spans":
        rest: list[Span] = []
        holes = other.spans
        first = 0
        for low, high in self.spans:
            at = low
            while first < len(holes) and holes[first][1] <= at:
                first += 1
            hole = first
            while hole < len(holes) and holes[hole][0] < high:
                if holes[hole][0] > at:
                    rest.append((at, holes[hole][0]))
                at = max(at, holes[hole][1])
                hole += 1
            if at < high:
                rest.append((at, high))
        return Spans(tuple(rest))

    def __bool__(self) -> bool:
        return bool(self.spans)

    def json(self) -> str:
        """For SQLite's ``json_each``."""
        return json.dumps(self.spans)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What to read from where."""

    raw: Spans = Spans()
    minute: Spans = Spans()
    hour: Spans = Spans()

    def sources(self) -> Iterator[tuple[str, Spans]]:
        """Table suffix and its intervals; at least one, the other empty ones left out."""
        yield "", self.raw
        if self.minute:
            yield "_minute", self.minute
        if self.hour:
            yield "_hour", self.hour


@dataclass(frozen=True, slots=True)
class RollupState:
    """How far the rollups of one measurement are: floors (0: nothing removed) and the windows out of date."""

    raw_floor_ns: int = 0
    minute_floor_ns: int = 0
    dirty_minutes: tuple[int, ...] = ()
    dirty_hours: tuple[int, ...] = ()


def plan_windows(start_ns: int, stop_ns: int, every_ns: int | None, rollup_state: RollupState) -> ReadPlan:
    """The plan for windows of ``every_ns`` (None: one window over everything)."""
    whole = Spans.of([(start_ns, stop_ns)])
    dirty_minutes = Spans.windows(rollup_state.dirty_minutes, MINUTE_NS)
    dirty_hours = Spans.windows((*rollup_state.dirty_minutes, *rollup_state.dirty_hours), HOUR_NS)
    hours = minutes = Spans()
    if every_ns is None or every_ns % HOUR_NS == 0:
        hours = _aligned(max(start_ns, rollup_state.minute_floor_ns), stop_ns, HOUR_NS) - dirty_hours
    if every_ns is None or every_ns % MINUTE_NS == 0:
        minutes = _aligned(max(start_ns, rollup_state.raw_floor_ns), stop_ns, MINUTE_NS) - dirty_minutes - hours
    raw = whole - hours - minutes
    if every_ns is None or every_ns >= MINUTE_NS:
        minutes |= Spans.of([(start_ns, min(stop_ns, rollup_state.raw_floor_ns))]) - hours
    if every_ns is None or every_ns >= HOUR_NS:
        hours |= Spans.of([(start_ns, min(stop_ns, rollup_state.minute_floor_ns))])
    return ReadPlan(raw, minutes, hours)


def _aligned(start_ns: int, stop_ns: int, width_ns: int) -> Spans:
    return Spans.of([(-(-start_ns // width_ns) * width_ns, stop_ns // width_ns * width_ns)])
