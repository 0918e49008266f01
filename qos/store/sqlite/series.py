"""Which number stands for which set of tags, per measurement. Numbers are never used twice.

The cache may know more than the file after a rolled-back write, so new numbers are kept only after the commit.
"""

import sqlite3
from collections.abc import Iterable

from qos.contract.points import Spec

Tags = tuple[str, ...]


class SeriesCache:
    """The writer's memory of series numbers."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[Tags, int]] = {}
        self._fresh: dict[str, dict[Tags, int]] = {}
        self._epoch = (0, 0)

    def check(self, db: sqlite3.Connection, generation: int) -> None:
        """Forget everything when series were removed, by whomever, or when the file is another one (``generation``)."""
        row = db.execute("SELECT value FROM meta WHERE key = 'series_epoch'").fetchone()
        epoch = (generation, row[0] if row else 0)
        if epoch != self._epoch:
            self._ids.clear()
            self._fresh.clear()
            self._epoch = epoch

    def ids(self, db: sqlite3.Connection, spec: Spec, wanted: Iterable[Tags]) -> dict[Tags, int]:
        """The number of each set of tags, made where needed, inside the caller's transaction."""
        known = self._ids.setdefault(spec.name, {})
        result = {}
        for tags in wanted:
            number = known.get(tags)
            if number is None:
                number = self._fresh.setdefault(spec.name, {}).get(tags)
            if number is None:
                number = self._fresh[spec.name][tags] = _find_or_make(db, spec, tags)
            result[tags] = number
        return result

    def committed(self) -> None:
        """The transaction is kept: remember its new numbers."""
        for name, fresh in self._fresh.items():
            self._ids.setdefault(name, {}).update(fresh)
        self._fresh.clear()

    def rolled_back(self) -> None:
        """The transaction is gone, and its new numbers with it."""
        self._fresh.clear()


def _find_or_make(db: sqlite3.Connection, spec: Spec, tags: Tags) -> int:
    condition = " AND ".join(f"{tag} = ?" for tag in spec.tags)
    row = db.execute(f"SELECT id FROM {spec.name}_series WHERE {condition}", tags).fetchone()
    if row is None:
        marks = ", ".join("?" * len(tags))
        cursor = db.execute(f"INSERT INTO {spec.name}_series ({', '.join(spec.tags)}) VALUES ({marks})", tags)
        assert cursor.lastrowid is not None
        return cursor.lastrowid
    return int(row[0])


def all_series(db: sqlite3.Connection, spec: Spec) -> dict[int, Tags]:
    """Every series of a measurement by number."""
    rows = db.execute(f"SELECT id, {', '.join(spec.tags)} FROM {spec.name}_series")
    return {row[0]: tuple(row[1:]) for row in rows}
