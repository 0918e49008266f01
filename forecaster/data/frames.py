"""A regular grid out of irregular samples: where time is missing it says so, and nothing is invented.

Samples come as they were stored: out of order after a clock change, twice after a retry, with holes, NaN, negative
deltas after a counter reset. A ``Frame`` has one row per step, NaN where nothing was measured, and a note for each
thing that was wrong. Short gaps are bridged later and only forwards (``Frame.filled``): the last value is known at
the time, the value after the gap is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NS_PER_S: Final = 1_000_000_000
LADDER_NS: Final = tuple(s * NS_PER_S for s in (10, 30, 60, 120, 300))
"""Grids that ``auto`` grows through, finest first."""


@dataclass(frozen=True)
class Gap:
    """Steps without a measurement: ``length`` rows from row ``start``."""

    start: int
    length: int


@dataclass(frozen=True, eq=False)
class Frame:
    """One target and its features on a regular grid. Row ``i`` covers ``[start_ns + i*step_ns, +step_ns)``, UTC."""

    start_ns: int
    step_ns: int
    names: tuple[str, ...]
    values: Floats
    """(rows, columns); column 0 is the target. NaN: not measured."""
    notes: tuple[str, ...] = field(default=())

    @property
    def target(self) -> Floats:
        """The series that is predicted, NaN where not measured."""
        return self.values[:, 0]

    @property
    def rows(self) -> int:
        """How many steps."""
        return int(self.values.shape[0])

    def time_ns(self, row: int) -> int:
        """Start of a row; rows past the end are the future."""
        return self.start_ns + row * self.step_ns

    def before(self, row: int) -> "Frame":
        """The first ``row`` rows: what was known then. Training gets nothing else."""
        return Frame(self.start_ns, self.step_ns, self.names, self.values[:row], self.notes)

    def latest(self, rows: int) -> "Frame":
        """The newest ``rows`` rows."""
        drop = max(0, self.rows - rows)
        return Frame(self.time_ns(drop), self.step_ns, self.names, self.values[drop:], self.notes)

    def trimmed(self) -> "Frame":
        """Without the rows after the newest measured value of the target: nothing can be scored there."""
        measured = np.flatnonzero(~np.isnan(self.target))
        return self.before(int(measured[-1]) + 1 if measured.size else 0)

    def filled(self, limit: int) -> Floats:
        """Values with gaps of at most ``limit`` steps bridged by the last value before them; longer ones stay NaN."""
        return forward_fill(self.values, limit)


def forward_fill(values: Floats, limit: int) -> Floats:
    """The last value carried forward over at most ``limit`` rows, per column.

    Row ``i`` of the result depends on rows ``<= i`` only, so a longer gap keeps its first ``limit`` rows bridged.
    """
    rows = np.arange(values.shape[0])[:, None]
    seen = np.where(np.isnan(values), -1, rows)
    last = np.maximum.accumulate(seen, axis=0)
    usable = (last >= 0) & (rows - last <= limit)
    carried = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(usable, carried, np.nan)


def gaps(target: Floats) -> tuple[Gap, ...]:
    """Runs of NaN, in order."""
    missing = np.concatenate(([False], np.isnan(target), [False]))
    edges = np.flatnonzero(missing[1:] != missing[:-1])
    return tuple(Gap(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True))


def deltas(counter: Floats) -> tuple[Floats, int]:
    """Differences of a cumulative counter and how many resets there were.

    The first has no predecessor and a reset (the counter went back) has an unknown delta: both are NaN.
    """
    result = np.full(counter.shape, np.nan)
    result[1:] = np.diff(counter)
    resets = result < 0
    result[resets] = np.nan
    return result, int(resets.sum())


def regular(
    times_ns: Sequence[int] | Ints,
    columns: Sequence[Sequence[float | None] | Floats],
    names: Sequence[str],
    step_ns: int,
    *,
    minimum: float | None = None,
    start_ns: int | None = None,
    stop_ns: int | None = None,
) -> Frame:
    """Samples on a grid aligned to the epoch; several in one step are averaged, exact duplicates count once (the
    last).

    ``minimum`` makes smaller values of the target missing (a rate cannot be negative: a counter was reset).
    ``start_ns`` and ``stop_ns`` fix the range; otherwise it is that of the samples. Raises ValueError for columns
    of unequal length.
    """
    stamps = np.asarray(times_ns, dtype=np.int64)
    table = (
        np.column_stack([np.asarray(c, dtype=np.float64) for c in columns]) if columns else np.empty((stamps.size, 0))
    )
    if table.shape != (stamps.size, len(names)):
        raise ValueError(f"{stamps.size} times, {len(names)} names, but columns of shape {table.shape}")
    notes: list[str] = []
    table = table.copy()
    table[~np.isfinite(table)] = np.nan
    if minimum is not None and (below := int(np.sum(table[:, 0] < minimum))):
        table[table[:, 0] < minimum, 0] = np.nan
        notes.append(f"{below} values below {minimum:g} left out (a counter was reset)")
    if back := int(np.sum(np.diff(stamps) < 0)):
        notes.append(f"the clock went back {back} times: samples sorted")
    order = np.argsort(stamps, kind="stable")
    stamps, table = stamps[order], table[order]
    keep = np.append(stamps[1:] != stamps[:-1], True) if stamps.size else np.ones(0, dtype=bool)
    if twice := int((~keep).sum()):
        notes.append(f"{twice} duplicate times: the last of each counts")
    stamps, table = stamps[keep], table[keep]
    steps = stamps // step_ns
    first = int(start_ns // step_ns) if start_ns is not None else int(steps[0]) if stamps.size else 0
    last = int(-(-stop_ns // step_ns)) if stop_ns is not None else int(steps[-1]) + 1 if stamps.size else first
    rows = max(0, last - first)
    inside = (steps >= first) & (steps < last)
    place, table = (steps - first)[inside], table[inside]
    total, count = np.zeros((rows, len(names))), np.zeros((rows, len(names)))
    present = ~np.isnan(table)
    np.add.at(total, place, np.where(present, table, 0.0))
    np.add.at(count, place, present.astype(np.float64))
    values = np.full(total.shape, np.nan)
    np.divide(total, count, out=values, where=count > 0)
    if rows and (holes := gaps(values[:, 0])):
        longest = max(hole.length for hole in holes)
        notes.append(f"{len(holes)} gaps, {sum(h.length for h in holes)} of {rows} steps, the longest {longest}")
    return Frame(first * step_ns, step_ns, tuple(names), values, tuple(notes))
