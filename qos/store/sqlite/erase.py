"""Emptying a measurement on a person's word (``autoqos clear-log``): raw rows and roll-ups, never anything else."""

import sqlite3

from qos.contract.points import Spec
from qos.store.sqlite.schema import LEVELS


def erase(db: sqlite3.Connection, spec: Spec) -> int:
    """Remove every row of the measurement, inside the caller's transaction; how many there were, roll-ups aside."""
    removed = 0
    for suffix in LEVELS:
        gone = db.execute(f"DELETE FROM {spec.name}{suffix}").rowcount
        removed += gone if not suffix else 0
    db.execute("DELETE FROM dirty WHERE measurement = ?", (spec.name,))
    return removed
