"""Which resolution answers which part of a read. Pure interval arithmetic over [start, stop) in nanoseconds."""

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
        """The union of any intervals."""
        merged: list[Span] = []
        for low, high in sorted(spans):
            if low >= high:
                continue
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    def __or__(self, other: "Spans") -> "Spans":
        return Spans.of((*self.spans, *other.spans))

    def __sub__(self, other: "Spans") -> "Spans":
        rest: list[Span] = []
        holes = iter(other.spans)
        hole = next(holes, None)
        for low, high in self.spans:
            at = low
            while hole is not None and hole[1] <= at:
                hole = next(holes, None)
            while hole is not None and hole[0] < high:
                if hole[0] > at:
                    rest.append((at, hole[0]))
                at = max(at, hole[1])
                if hole[1] > high:
                    break
                hole = next(holes, None)
            if at < high:
                rest.append((at, high))
        return Spans(tuple(rest))

    def __bool__(self) -> bool:
        return bool(self.spans)

    def json(self) -> str:
        """For SQLite's ``json_each``."""
        return json.dumps(self.spans)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read from where."""

    raw: Spans
    minute: Spans = Spans()
    hour: Spans = Spans()

    def sources(self) -> Iterator[tuple[str, Spans]]:
        """Table suffix and its intervals, at least one, the empty ones left out."""
        yield "", self.raw
        if self.minute:
            yield "_minute", self.minute
        if self.hour:
            yield "_hour", self.hour
