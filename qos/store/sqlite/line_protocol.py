"""Rows between two journal positions as line protocol, for the shipper: no point is built on the way.

A busy host's day has millions of rows, and making a checked ``Point`` of each costs six times what writing its line
does. The lines equal ``qos.contract.points.to_line`` of the same rows (a test holds them together). Opens the file for
reading only; the durable cursor is the store's (``SqliteStore.acknowledge``).
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from qos.contract.points import SPECS, FieldSpec, Spec, escape_tag, escape_text
from qos.store.sqlite import coarse, schema
from qos.store.sqlite.opening.database import Database
from qos.store.sqlite.series import Tags, all_series

_AT_ONCE: Final = 5_000
_SHIPPED: Final = tuple(spec for spec in SPECS.values() if not spec.local)


@dataclass(frozen=True, slots=True)
class Lines:
    """Line protocol, and the positions that are reached when it has arrived. ``oldest_ns`` is its first row's time."""

    lines: tuple[str, ...] = ()
    reached: Mapping[str, int] = field(default_factory=dict)
    oldest_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows between two positions. ``rows`` counts positions, so rows written twice may count twice."""

    rows: int
    oldest_ns: int | None


class JournalReader:
    """Reads the journal. Raises StoreUnavailable like the store itself."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, read_only=True)
        self._formats = {spec.name: _format(spec) for spec in _SHIPPED}
        self._prefixes: dict[str, dict[int, str]] = {spec.name: {} for spec in _SHIPPED}

    def cursor(self, name: str) -> dict[str, int]:
        """Where a cursor of the store stands, 0 for measurements that it never acknowledged."""
        with self._database.reading() as db:
            rows = db.execute("SELECT measurement, position FROM cursor WHERE name = ?", (name,)).fetchall()
        return {spec.name: 0 for spec in _SHIPPED} | dict(rows)

    def aged_out(self, name: str) -> int:
        """Rows that retention removed before the cursor acknowledged them, ever."""
        with self._database.reading() as db:
            row = db.execute("SELECT coalesce(sum(aged_out), 0) FROM cursor WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def head(self) -> dict[str, int]:
        """The newest position of every measurement. None is used twice: an emptied table keeps its own."""
        with self._database.reading() as db:
            used = dict(db.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {spec.name: int(used.get(spec.name, 0)) for spec in _SHIPPED}

    def read(self, after: Mapping[str, int], until: Mapping[str, int] | None, limit: int) -> Lines:
        """At most ``limit`` rows beyond ``after``, up to ``until``; the measurement that is furthest behind first."""
        lines: list[str] = []
        reached: dict[str, int] = {}
        with self._database.reading() as db:
            waiting = self._oldest(db, after, until)
            for _, name in waiting:
                if len(lines) >= limit:
                    break
                found, position = self._lines(db, SPECS[name], after.get(name, 0), until, limit - len(lines))
                lines += found
                reached[name] = position
        return Lines(tuple(lines), reached, waiting[0][0] if waiting else None)

    def waiting(self, after: Mapping[str, int], until: Mapping[str, int] | None) -> Waiting:
        """How many rows there are beyond ``after`` and up to ``until``, and the time of the oldest."""
        rows = 0
        with self._database.reading() as db:
            oldest = self._oldest(db, after, until)
            for _, name in oldest:
                first, last = db.execute(
                    f"SELECT min(id), max(id) FROM {name} WHERE id > ? AND id <= ?", _bounds(name, after, until)
                ).fetchone()
                rows += last - first + 1
        return Waiting(rows, oldest[0][0] if oldest else None)

    def coarse_due(self, now_ns: int, limit: int) -> list[coarse.CoarseWindow]:
        """At most ``limit`` windows of the coarse history that are over (``now_ns`` is UTC), the newest first."""
        with self._database.reading() as db:
            return coarse.due(db, now_ns, limit)

    def coarse_waiting(self, now_ns: int) -> int:
        """How many windows of the coarse history are over and not shipped."""
        with self._database.reading() as db:
            return coarse.waiting(db, now_ns)

    def coarse_lines(self, width_ns: int, start_ns: int, stop_ns: int) -> list[str]:
        """The coarse rows of the whole windows in [start, stop)."""
        with self._database.reading() as db:
            return list(coarse.lines(db, width_ns, start_ns, stop_ns))

    def between(self, start_ns: int, stop_ns: int) -> Iterator[Lines]:
        """Every raw row kept of [start, stop), oldest first within its measurement, some thousands at a time."""
        for spec in _SHIPPED:
            at_ns = start_ns
            while at_ns < stop_ns:
                with self._database.reading() as db:
                    row = db.execute(
                        f"SELECT time_ns FROM {spec.name} WHERE time_ns >= ? ORDER BY time_ns LIMIT 1 OFFSET ?",
                        (at_ns, _AT_ONCE),
                    ).fetchone()
                    # Whole instants, so that the next look begins beyond the last one.
                    until_ns = stop_ns if row is None else min(stop_ns, max(int(row[0]), at_ns + 1))
                    rows = self._rows(db, spec, "time_ns >= ? AND time_ns < ? ORDER BY time_ns", (at_ns, until_ns))
                    lines = self._rendered(db, spec, rows)
                yield Lines(tuple(lines), {}, at_ns)
                at_ns = until_ns

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    @staticmethod
    def _oldest(
        db: sqlite3.Connection, after: Mapping[str, int], until: Mapping[str, int] | None
    ) -> list[tuple[int, str]]:
        found = []
        for spec in _SHIPPED:
            row = db.execute(
                f"SELECT time_ns FROM {spec.name} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1",
                _bounds(spec.name, after, until),
            ).fetchone()
            if row is not None:
                found.append((int(row[0]), spec.name))
        return sorted(found)

    def _lines(
        self, db: sqlite3.Connection, spec: Spec, after: int, until: Mapping[str, int] | None, limit: int
    ) -> tuple[list[str], int]:
        bounds = (*_bounds(spec.name, {spec.name: after}, until), limit)
        rows = self._rows(db, spec, "id > ? AND id <= ? ORDER BY id LIMIT ?", bounds)
        return self._rendered(db, spec, rows), rows[-1][0] if rows else after

    @staticmethod
    def _rows(db: sqlite3.Connection, spec: Spec, which: str, parameters: Sequence[int]) -> list[tuple[Any, ...]]:
        names = ", ".join(f.name for f in spec.fields)
        return db.execute(f"SELECT id, series, time_ns, {names} FROM {spec.name} WHERE {which}", parameters).fetchall()

    def _rendered(self, db: sqlite3.Connection, spec: Spec, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        prefixes = self._prefixes[spec.name]
        if any(row[1] not in prefixes for row in rows):
            prefixes.clear()
            prefixes.update({number: _prefix(spec, tags) for number, tags in all_series(db, spec).items()})
        line = self._formats[spec.name]
        return [line(prefixes[row[1]], row) for row in rows]


def _bounds(name: str, after: Mapping[str, int], until: Mapping[str, int] | None) -> tuple[int, int]:
    return after.get(name, 0), 2**63 - 1 if until is None else until.get(name, 0)


def _prefix(spec: Spec, tags: Tags) -> str:
    pairs = sorted(zip(spec.tags, tags, strict=True))
    return spec.name + "".join(f",{name}={escape_tag(value)}" for name, value in pairs) + " "


def _format(spec: Spec) -> Callable[[str, Sequence[Any]], str]:
    fields = [(f.name, _value(f), schema.zero_of(f)) for f in spec.fields]

    def line(prefix: str, row: Sequence[Any]) -> str:
        # Row: id, series, time, then the fields. Only an optional field may be absent.
        parts = []
        for (name, text, zero), value in zip(fields, row[3:], strict=True):
            if value is not None:
                parts.append(f"{name}={text(value)}")
            elif zero is not None:
                parts.append(f"{name}={text(zero)}")
        return f"{prefix}{','.join(parts)} {row[2]}"

    return line


def _value(spec: FieldSpec) -> Callable[[Any], str]:
    if spec.kind == "int":
        return lambda value: f"{value}i"
    if spec.kind == "float":
        return lambda value: repr(float(value))
    return lambda value: f'"{escape_text(value)}"'
