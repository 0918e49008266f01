"""Rollups: raw rows → minutes → hours, kept up by folding the windows that writes marked dirty.

A window from its level's floor on is computed anew from the level below, so a late or replaced point comes out right.
Below the floor the source is gone but for late rows: those are merged into the rollup and removed, once. The window
that ``now`` lies in is left alone: it would be folded again anyway. Each step is one short transaction.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from qos.contract.points import Spec
from qos.store.sqlite import coarse, journal
from qos.store.sqlite.reading.aggregate import PartialRows, Row, partial_windows
from qos.store.sqlite.reading.read_plan import HOUR_NS, MINUTE_NS, ReadPlan, RollupState, Span, Spans
from qos.store.sqlite.schema import LEVELS, rollup_columns

WIDTHS_NS: Final = {1: MINUTE_NS, 2: HOUR_NS}
_WINDOWS_AT_ONCE: Final = {1: 15, 2: 4}


def rollup_state(db: sqlite3.Connection, spec: Spec, start_ns: int = 0, stop_ns: int = 2**63 - 1) -> RollupState:
    """Floors, and the dirty windows that touch [start, stop)."""
    floors = dict(db.execute("SELECT level, time_ns FROM floor WHERE measurement = ?", (spec.name,)).fetchall())
    dirty: dict[int, list[int]] = {1: [], 2: []}
    for level, time_ns in db.execute(
        "SELECT level, time_ns FROM dirty WHERE measurement = ? AND level IN (1, 2) AND time_ns > ? AND time_ns < ?",
        (spec.name, start_ns - HOUR_NS, stop_ns),
    ):
        dirty[level].append(time_ns)
    return RollupState(floors.get(0, 0), floors.get(1, 0), tuple(dirty[1]), tuple(dirty[2]))


def mark(db: sqlite3.Connection, name: str, level: int, windows: Iterable[int]) -> None:
    """These windows' rollups are out of date."""
    db.executemany("INSERT OR IGNORE INTO dirty VALUES (?, ?, ?)", [(name, level, window) for window in windows])


def due(db: sqlite3.Connection, spec: Spec, level: int, now_ns: int) -> Iterator[Span]:
    """The dirty windows to fold, as runs that are short enough for one transaction each."""
    width = WIDTHS_NS[level]
    rows = db.execute("SELECT time_ns FROM dirty WHERE measurement = ? AND level = ?", (spec.name, level)).fetchall()
    runs = Spans.windows((row[0] for row in rows if not row[0] <= now_ns < row[0] + width), width)
    step = width * _WINDOWS_AT_ONCE[level]
    for low, high in runs.spans:
        for start in range(low, high, step):
            yield start, min(high, start + step)


def fold(db: sqlite3.Connection, spec: Spec, level: int, span: Span) -> None:
    """Bring the windows of ``span`` up to date, inside the caller's transaction."""
    row = db.execute("SELECT time_ns FROM floor WHERE measurement = ? AND level = ?", (spec.name, level - 1)).fetchone()
    floor = row[0] if row else 0
    low, high = span
    _merge(db, spec, level, (low, min(high, floor)))
    _recompute(db, spec, level, (max(low, floor), high))
    if level == 1:
        hours = db.execute(
            f"SELECT DISTINCT time_ns - time_ns % {HOUR_NS} FROM dirty"
            " WHERE measurement = ? AND level = 1 AND time_ns >= ? AND time_ns < ?",
            (spec.name, low, high),
        ).fetchall()
        mark(db, spec.name, 2, (hour for (hour,) in hours))
    if not spec.local:
        coarse.mark(db, spec, level, span)
    db.execute(
        "DELETE FROM dirty WHERE measurement = ? AND level = ? AND time_ns >= ? AND time_ns < ?",
        (spec.name, level, low, high),
    )


def _recompute(db: sqlite3.Connection, spec: Spec, level: int, span: Span) -> None:
    if span[0] >= span[1]:
        return
    here = Spans.of([span])
    rows = _folded(db, PartialRows(spec, ReadPlan(raw=here) if level == 1 else ReadPlan(minute=here)), WIDTHS_NS[level])
    db.execute(f"DELETE FROM {spec.name}{LEVELS[level]} WHERE time_ns >= ? AND time_ns < ?", span)
    _insert(db, spec, level, rows)


def _merge(db: sqlite3.Connection, spec: Spec, level: int, span: Span) -> None:
    if span[0] >= span[1]:
        return
    here = Spans.of([span])
    plan = ReadPlan(raw=here, minute=here) if level == 1 else ReadPlan(minute=here, hour=here)
    _insert(db, spec, level, _folded(db, PartialRows(spec, plan), WIDTHS_NS[level]))
    if level == 1:
        journal.count_aged_out(db, spec, *span)
    db.execute(f"DELETE FROM {spec.name}{LEVELS[level - 1]} WHERE time_ns >= ? AND time_ns < ?", span)


def _insert(db: sqlite3.Connection, spec: Spec, level: int, rows: list[Row]) -> None:
    names = ["time_ns", "series", "n", "last_ns", *(name for name, _ in rollup_columns(spec))]
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT OR REPLACE INTO {spec.name}{LEVELS[level]} ({', '.join(names)}) VALUES ({marks})", rows)


def _folded(db: sqlite3.Connection, source: PartialRows, width_ns: int) -> list[Row]:
    """Rows of the rollup table from whatever the source gives, its columns in the table's order."""
    order = ["n", "last_ns", *(name for name, _ in rollup_columns(source.spec))]
    return [(*key, *(row.get(name) for name in order)) for key, row in partial_windows(db, source, width_ns).items()]
