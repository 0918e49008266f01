"""The tables of the embedded store, generated from the points' ``SPECS``, and how older files become newer ones.

Per measurement:

- ``NAME_series``: each set of tags once. Numbers are never used twice.
- ``NAME``: raw rows: a journal position that is never used twice, the time, the series, one typed column per field.
  The index runs time first, so a tick's rows touch one page.
- ``NAME_minute`` and ``NAME_hour``: rollups. ``n`` raw points, the newest at ``last_ns``; per field ``_sum``, ``_min``,
  ``_max``, ``_last``; an optional field also has its own ``_n`` and ``_last_ns``; text has only ``_last``.

``dirty`` names the windows whose rollup is out of date (level 1: minutes, 2: hours), marked by the write itself.
``coarse`` names the windows of 5 minutes and of an hour whose coarse row changed and is not shipped yet, numbered like
raw rows: a window that changes again gets a new number (docs/decisions/0070).
``floor`` says up to where a level (0: raw, 1: minutes) has been folded into the next one and removed.

``application_id`` says that the file is ours, ``user_version`` which schema it has. A measurement or field that is
added later becomes a table or column by itself; anything else is a migration here.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from qos.contract.coarse import FIVE_MINUTES_NS, HOUR_NS
from qos.contract.points import SPECS, FieldSpec, Spec
from qos.store.sqlite.reading.read_plan import MINUTE_NS

APPLICATION_ID: Final = 0x51_6F_53_31
"""The four letters QoS1 in the file's header."""
VERSION: Final = 3

LEVELS: Final = ("", "_minute", "_hour")
"""Table suffixes by level."""

_TYPES: Final = {"int": "INTEGER", "float": "REAL", "str": "TEXT"}


def raw_columns(spec: Spec) -> Iterator[tuple[str, str]]:
    """Names and types of the field columns of the raw table."""
    for f in spec.fields:
        yield f.name, _TYPES[f.kind]


def rollup_columns(spec: Spec) -> Iterator[tuple[str, str]]:
    """Names and types of the field columns of a rollup table."""
    for f in spec.fields:
        kind = _TYPES[f.kind]
        if f.kind != "str":
            # An integer sum beyond 64 bits is kept as a float.
            yield f"{f.name}_sum", "ANY" if f.kind == "int" else kind
            yield f"{f.name}_min", kind
            yield f"{f.name}_max", kind
        yield f"{f.name}_last", kind
        if f.optional:
            yield f"{f.name}_n", "INTEGER"
            yield f"{f.name}_last_ns", "INTEGER"


def create(db: sqlite3.Connection) -> None:
    """Make every table in an empty file, inside the caller's transaction."""
    db.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        "CREATE TABLE cursor (name TEXT NOT NULL, measurement TEXT NOT NULL, position INTEGER NOT NULL,"
        " aged_out INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, measurement)) STRICT, WITHOUT ROWID"
    )
    _create_bookkeeping(db)
    _create_coarse(db)
    complete(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def _create_bookkeeping(db: sqlite3.Connection) -> None:
    for name in ("dirty", "floor"):
        key = "measurement, level, time_ns" if name == "dirty" else "measurement, level"
        db.execute(
            f"CREATE TABLE {name} (measurement TEXT NOT NULL, level INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
            f" PRIMARY KEY ({key})) STRICT, WITHOUT ROWID"
        )
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID")


def _create_coarse(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE coarse (id INTEGER PRIMARY KEY AUTOINCREMENT, width_ns INTEGER NOT NULL,"
        " time_ns INTEGER NOT NULL, UNIQUE (width_ns, time_ns)) STRICT"
    )


def complete(db: sqlite3.Connection) -> None:
    """Add the measurements and fields that the file does not know yet, inside the caller's transaction."""
    for spec in SPECS.values():
        tags = ", ".join(f"{tag} TEXT NOT NULL" for tag in spec.tags)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {spec.name}_series"
            f" (id INTEGER PRIMARY KEY AUTOINCREMENT, {tags}, UNIQUE ({', '.join(spec.tags)})) STRICT"
        )
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {spec.name} (id INTEGER PRIMARY KEY AUTOINCREMENT,"
            f" time_ns INTEGER NOT NULL, series INTEGER NOT NULL, {_declared(raw_columns(spec))},"
            " UNIQUE (time_ns, series)) STRICT"
        )
        for suffix in LEVELS[1:]:
            db.execute(
                f"CREATE TABLE IF NOT EXISTS {spec.name}{suffix} (time_ns INTEGER NOT NULL, series INTEGER NOT NULL,"
                f" n INTEGER NOT NULL, last_ns INTEGER NOT NULL, {_declared(rollup_columns(spec))},"
                " PRIMARY KEY (time_ns, series)) STRICT, WITHOUT ROWID"
            )
        for table, name, kind in _lacking(db, spec):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def _declared(columns: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns)


def lacks_something(db: sqlite3.Connection) -> bool:
    """Whether ``complete`` would add anything."""
    return any(True for spec in SPECS.values() for _ in _lacking(db, spec))


def _lacking(db: sqlite3.Connection, spec: Spec) -> Iterator[tuple[str, str, str]]:
    for suffix in LEVELS:
        table = f"{spec.name}{suffix}"
        have = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in rollup_columns(spec) if suffix else raw_columns(spec):
            if name not in have:
                yield table, name, kind


def _from_1(db: sqlite3.Connection) -> None:
    """Schema 1 had no rollups: make their tables and mark every minute that holds a row."""
    _create_bookkeeping(db)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for name in SPECS.keys() & tables:
        db.execute(
            f"INSERT INTO dirty SELECT DISTINCT ?, 1, time_ns - time_ns % {MINUTE_NS} FROM {name}",
            (name,),
        )


def _from_2(db: sqlite3.Connection) -> None:
    """Schema 2 shipped raw rows only: every window that is folded already is to be shipped."""
    _create_coarse(db)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for spec in SPECS.values():
        for suffix, width_ns in (("_minute", FIVE_MINUTES_NS), ("_hour", HOUR_NS)):
            if not spec.local and f"{spec.name}{suffix}" in tables:
                db.execute(
                    "INSERT OR IGNORE INTO coarse (width_ns, time_ns)"
                    f" SELECT DISTINCT ?1, time_ns - time_ns % ?1 FROM {spec.name}{suffix}",
                    (width_ns,),
                )


MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1, 2: _from_2}
"""From version N to N + 1, all inside one transaction; ``complete`` runs after the last."""


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older ``version`` to ``VERSION``, inside the caller's transaction."""
    for step in range(version, VERSION):
        MIGRATIONS[step](db)
    complete(db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def zero_of(field: FieldSpec) -> int | float | str | None:
    """What a row from before a field existed is taken to hold."""
    if field.optional:
        return None
    return "" if field.kind == "str" else 0.0 if field.kind == "float" else 0
