"""The outbox cursor: what a named reader has not acknowledged yet.

Every raw row has a position that only grows and is never used twice; a row written again gets a new one and so becomes
pending again. A cursor is one position per measurement. Measurements marked ``LOCAL`` are never pending. Rows that
retention removes before they were acknowledged are counted on the cursor, never silently lost.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qos.contract.points import SPECS, TYPES, Point, Spec
from qos.store.sqlite import schema
from qos.store.sqlite.series import Tags, all_series

_COUNT_EXACTLY: Final = 50_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Points to ship, oldest first, and the positions that acknowledging them moves the cursor to."""

    points: tuple[Point, ...] = ()
    positions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far a cursor is behind.

    Exact up to 50,000 rows per measurement; beyond, ``rows`` is an upper bound and ``oldest_ns`` the first written.
    """

    rows: int
    oldest_ns: int | None
    aged_out: int


def _shipped() -> Iterator[Spec]:
    return (spec for spec in SPECS.values() if not spec.local)


def register(db: sqlite3.Connection, name: str) -> None:
    """Start a cursor before the oldest row kept; an existing one stays where it is."""
    db.executemany(
        "INSERT OR IGNORE INTO cursor (name, measurement, position) VALUES (?, ?, 0)",
        [(name, spec.name) for spec in _shipped()],
    )


def positions(db: sqlite3.Connection, name: str) -> dict[str, int]:
    """Where the cursor stands, per measurement; empty when it is not registered."""
    return dict(db.execute("SELECT measurement, position FROM cursor WHERE name = ?", (name,)).fetchall())


def pending(db: sqlite3.Connection, name: str, limit: int) -> Batch:
    """At most ``limit`` points after the cursor, oldest first; each measurement's in the order they were written."""
    at = positions(db, name)
    queues = {spec.name: _after(db, spec, at.get(spec.name, 0), limit) for spec in _shipped()}
    heads = {measurement: 0 for measurement, rows in queues.items() if rows}
    series = {measurement: all_series(db, SPECS[measurement]) for measurement in heads}
    chosen: list[Point] = []
    reached: dict[str, int] = {}
    while heads and len(chosen) < limit:
        measurement = min(heads, key=lambda m: (queues[m][heads[m]][1], m))
        position, time_ns, number, *values = queues[measurement][heads[measurement]]
        chosen.append(_point(SPECS[measurement], series[measurement][number], time_ns, values))
        reached[measurement] = position
        heads[measurement] += 1
        if heads[measurement] == len(queues[measurement]):
            del heads[measurement]
    return Batch(tuple(chosen), reached)


def _after(db: sqlite3.Connection, spec: Spec, position: int, limit: int) -> list[tuple[Any, ...]]:
    names = ["id", "time_ns", "series", *(f.name for f in spec.fields)]
    query = f"SELECT {', '.join(names)} FROM {spec.name} WHERE id > ? ORDER BY id LIMIT ?"
    return db.execute(query, (position, limit)).fetchall()


def _point(spec: Spec, tags: Tags, time_ns: int, values: Sequence[Any]) -> Point:
    row = dict(zip(spec.tags, tags, strict=True))
    fields = {
        f.name: schema.zero_of(f) if value is None else value for f, value in zip(spec.fields, values, strict=True)
    }
    return TYPES[spec.name](time_ns=time_ns, **row, **fields)


def acknowledge(db: sqlite3.Connection, name: str, batch: Batch) -> None:
    """Move the cursor past the batch. Never backwards, so acknowledging twice does no harm."""
    db.executemany(
        "UPDATE cursor SET position = max(position, ?) WHERE name = ? AND measurement = ?",
        [(position, name, measurement) for measurement, position in batch.positions.items()],
    )


def count_aged_out(db: sqlite3.Connection, spec: Spec, start_ns: int, stop_ns: int) -> None:
    """Note on every cursor how many rows of [start, stop) it has not acknowledged: they are about to be removed."""
    if spec.local:
        return
    for name, position in db.execute(
        "SELECT name, position FROM cursor WHERE measurement = ?", (spec.name,)
    ).fetchall():
        lost = db.execute(
            f"SELECT count(*) FROM {spec.name} WHERE time_ns >= ? AND time_ns < ? AND id > ?",
            (start_ns, stop_ns, position),
        ).fetchone()[0]
        if lost:
            db.execute(
                "UPDATE cursor SET aged_out = aged_out + ? WHERE name = ? AND measurement = ?", (lost, name, spec.name)
            )


def backlog(db: sqlite3.Connection, name: str) -> Backlog:
    """How many rows wait, since when, and how many were removed before they were acknowledged."""
    at = positions(db, name)
    rows, oldest = 0, None
    for spec in _shipped():
        position = at.get(spec.name, 0)
        first, last = db.execute(
            f"SELECT (SELECT min(id) FROM {spec.name} WHERE id > ?1), (SELECT max(id) FROM {spec.name} WHERE id > ?1)",
            (position,),
        ).fetchone()
        if first is None:
            continue
        if last - first < _COUNT_EXACTLY:
            look = f"SELECT count(*), min(time_ns) FROM {spec.name} WHERE id > ?"
            count, time_ns = db.execute(look, (position,)).fetchone()
        else:
            count = last - first + 1
            time_ns = db.execute(f"SELECT time_ns FROM {spec.name} WHERE id = ?", (first,)).fetchone()[0]
        rows += count
        oldest = time_ns if oldest is None else min(oldest, time_ns)
    aged_out = db.execute("SELECT coalesce(sum(aged_out), 0) FROM cursor WHERE name = ?", (name,)).fetchone()[0]
    return Backlog(rows, oldest, aged_out)
