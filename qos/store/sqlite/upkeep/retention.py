"""What is kept for how long, and how the file stays within its bound.

By age: each resolution has its own; what a level loses has been folded into the next one first. Predictions lie ahead
and never age early; the few rows of ``event`` and ``forecast_score`` are kept raw as long as hours are, for their text
is the point. By size: the oldest raw rows go first, then the oldest minutes, then hours. Deleting is done in short
transactions, so that other writers wait only moments.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from qos.contract.config import Retention
from qos.contract.points import SPECS, Spec
from qos.store.sqlite import journal
from qos.store.sqlite.reading.read_plan import HOUR_NS, MINUTE_NS
from qos.store.sqlite.schema import LEVELS
from qos.store.sqlite.upkeep.rollup import WIDTHS_NS

_LOCAL_RAW_NS: Final = HOUR_NS
_LOCAL_ROLLUP_NS: Final = 48 * HOUR_NS
_RARE: Final = ("event", "forecast_score")
_ROWS_AT_ONCE: Final = 20_000
_NEWEST_KEPT_NS: Final = (10 * MINUTE_NS, 2 * HOUR_NS, 24 * HOUR_NS)
"""What the size bound never takes, by level: an agent with a tiny bound still shows the last minutes."""

Writing = Callable[[], AbstractContextManager[sqlite3.Connection]]


@dataclass(frozen=True, slots=True)
class Ages:
    """How long each level of a measurement is kept; a coarser one never shorter than a finer one."""

    raw_ns: int
    minute_ns: int
    hour_ns: int

    def of(self, level: int) -> int:
        """By level."""
        return (self.raw_ns, self.minute_ns, self.hour_ns)[level]


def ages(spec: Spec, retention: Retention) -> Ages:
    """The ages that hold for a measurement."""
    raw, minute, hour = retention.raw, retention.minute, retention.hour
    if spec.local:
        raw, minute, hour = min(raw, _LOCAL_RAW_NS), min(minute, _LOCAL_ROLLUP_NS), min(hour, _LOCAL_ROLLUP_NS)
    elif spec.name in _RARE:
        raw = max(raw, hour)
    elif spec.name == "forecast":
        raw = max(raw, minute)
    minute = max(raw, minute)
    return Ages(raw, minute, max(minute, hour))


def expire(writing: Writing, spec: Spec, level: int, before_ns: int, go_on: Callable[[], bool]) -> bool:
    """Remove a level's rows before ``before_ns`` that are folded already. False when ``go_on`` stopped it early."""
    table = f"{spec.name}{LEVELS[level]}"
    while True:
        with writing() as db:
            limit = _folded_until(db, spec, level, before_ns)
            oldest = db.execute(f"SELECT min(time_ns) FROM {table}").fetchone()[0]
            if oldest is None or oldest >= limit:
                return True
            until = _step(db, table, limit, WIDTHS_NS[min(level + 1, 2)])
            if level == 0:
                journal.count_aged_out(db, spec, 0, until)
            db.execute(f"DELETE FROM {table} WHERE time_ns < ?", (until,))
            # A level's floor lifts the finer one's too: nothing is left there, and floors never cross.
            for lifted in range(level + 1 if level < 2 else 0):
                db.execute(
                    "INSERT INTO floor VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET time_ns = max(time_ns, ?3)",
                    (spec.name, lifted, until),
                )
        if not go_on():
            return False


def _folded_until(db: sqlite3.Connection, spec: Spec, level: int, before_ns: int) -> int:
    if level == 2:
        return before_ns
    width = WIDTHS_NS[level + 1]
    dirty = db.execute(
        "SELECT min(time_ns) FROM dirty WHERE measurement = ? AND level <= ?", (spec.name, level + 1)
    ).fetchone()[0]
    limit = before_ns if dirty is None else min(before_ns, dirty)
    if level == 1:
        raw = db.execute(f"SELECT min(time_ns) FROM {spec.name}").fetchone()[0]
        limit = limit if raw is None else min(limit, raw)
    return limit // width * width


def _step(db: sqlite3.Connection, table: str, limit: int, width: int) -> int:
    """Where this transaction stops, so that it removes some twenty thousand rows, at a window's border."""
    row: tuple[int] | None
    row = db.execute(f"SELECT time_ns FROM {table} ORDER BY time_ns LIMIT 1 OFFSET {_ROWS_AT_ONCE}").fetchone()
    if row is None or row[0] >= limit:
        return limit
    return min(limit, row[0] // width * width + width)


def oldest_of(db: sqlite3.Connection, level: int) -> int | None:
    """The oldest time of a level over all measurements that the size bound may thin."""
    times = [db.execute(f"SELECT min(time_ns) FROM {name}{LEVELS[level]}").fetchone()[0] for name in thinned(level)]
    return min((time for time in times if time is not None), default=None)


def thinned(level: int) -> list[str]:
    """The measurements that the size bound may take rows of ``level`` from."""
    return [name for name in SPECS if level > 0 or name not in _RARE]


def newest_kept_ns(level: int) -> int:
    """The age below which the size bound takes nothing of a level."""
    return _NEWEST_KEPT_NS[level]


@dataclass(frozen=True, slots=True)
class Pages:
    """How the main file is used."""

    size: int
    count: int
    free: int

    @property
    def used_bytes(self) -> int:
        """What the rows take, pages that are free again left out."""
        return (self.count - self.free) * self.size


def pages(db: sqlite3.Connection) -> Pages:
    """How the main file is used."""
    return Pages(
        *(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count"))
    )


def forget_series(db: sqlite3.Connection, spec: Spec) -> None:
    """Remove the tag sets of a LOCAL measurement that no row uses any more, and tell every writer."""
    used = " UNION ".join(f"SELECT series FROM {spec.name}{suffix}" for suffix in LEVELS)
    if db.execute(f"DELETE FROM {spec.name}_series WHERE id NOT IN ({used})").rowcount:
        db.execute("INSERT INTO meta VALUES ('series_epoch', 1) ON CONFLICT DO UPDATE SET value = value + 1")
