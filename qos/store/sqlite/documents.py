"""Small JSON documents by key, the last write wins: heartbeats, overrides, the limits in force."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any


def get(db: sqlite3.Connection, key: str) -> Any | None:
    """The document, or None."""
    row = db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row[0])


def put(db: sqlite3.Connection, key: str, text: str) -> None:
    """Keep an encoded document."""
    db.execute("INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, text))


def delete(db: sqlite3.Connection, key: str) -> None:
    """Forget the document, if there is one."""
    db.execute("DELETE FROM state WHERE key = ?", (key,))


def under(db: sqlite3.Connection, prefix: str) -> dict[str, Any]:
    """Every document whose key starts with ``prefix``, by key."""
    rows = db.execute("SELECT key, value FROM state WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix))
    return {key: json.loads(value) for key, value in rows}


def encode(documents: Mapping[str, Any]) -> dict[str, str]:
    """The documents as JSON text. Raises ValueError or TypeError for what JSON cannot hold (NaN included)."""
    return {
        key: json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
        for key, value in documents.items()
    }
