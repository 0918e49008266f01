"""The tables of the embedded store, generated from ``qos.points.SPECS``, and how older files become newer ones.

Per measurement: ``NAME_series`` (each set of tags once) and ``NAME`` (raw rows: a journal position that is never used
twice, the series, the time, one typed column per field). The index runs time first, so a tick's rows touch one page.

``application_id`` says that the file is ours, ``user_version`` which schema it has. A field added to a measurement
later becomes a new column by itself; anything else is a migration here.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from qos.points import SPECS, FieldSpec, Spec

APPLICATION_ID: Final = 0x51_6F_53_31
"""The four letters QoS1 in the file's header."""
VERSION: Final = 1

_TYPES: Final = {"int": "INTEGER", "float": "REAL", "str": "TEXT"}


def raw_columns(spec: Spec) -> Iterator[tuple[str, str]]:
    """Names and types of the field columns of the raw table."""
    for f in spec.fields:
        yield f.name, _TYPES[f.kind]


def create(db: sqlite3.Connection) -> None:
    """Make every table in an empty file, inside the caller's transaction."""
    for statement in _shared():
        db.execute(statement)
    for spec in SPECS.values():
        _create_measurement(db, spec)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def _shared() -> Iterator[str]:
    yield "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"
    yield (
        "CREATE TABLE cursor (name TEXT NOT NULL, measurement TEXT NOT NULL, position INTEGER NOT NULL,"
        " aged_out INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, measurement)) STRICT, WITHOUT ROWID"
    )


def _create_measurement(db: sqlite3.Connection, spec: Spec) -> None:
    tags = ", ".join(f"{tag} TEXT NOT NULL" for tag in spec.tags)
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {spec.name}_series"
        f" (id INTEGER PRIMARY KEY AUTOINCREMENT, {tags}, UNIQUE ({', '.join(spec.tags)})) STRICT"
    )
    columns = ", ".join(f"{name} {kind}" for name, kind in raw_columns(spec))
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {spec.name} (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        f" time_ns INTEGER NOT NULL, series INTEGER NOT NULL, {columns}, UNIQUE (time_ns, series)) STRICT"
    )


def complete(db: sqlite3.Connection) -> None:
    """Add the measurements and fields that the file does not know yet, inside the caller's transaction."""
    for spec in SPECS.values():
        _create_measurement(db, spec)
        for table, columns in ((spec.name, raw_columns(spec)),):
            have = _columns(db, table)
            for name, kind in columns:
                if name not in have:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def lacks_something(db: sqlite3.Connection) -> bool:
    """Whether ``complete`` would add anything."""
    return any(
        not {name for name, _ in columns} <= _columns(db, table)
        for spec in SPECS.values()
        for table, columns in ((spec.name, raw_columns(spec)),)
    )


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {}
"""From version N to N + 1, each inside the one transaction that ends at ``VERSION``."""


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older ``version`` to ``VERSION``, inside the caller's transaction."""
    for step in range(version, VERSION):
        MIGRATIONS[step](db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def zero_of(field: FieldSpec) -> int | float | str | None:
    """What a row from before a field existed is taken to hold."""
    if field.optional:
        return None
    return "" if field.kind == "str" else 0.0 if field.kind == "float" else 0
