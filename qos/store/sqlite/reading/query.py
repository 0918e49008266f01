"""Reads: raw rows straight from the table, windows from whatever resolutions the plan names."""

import sqlite3
from typing import Any

from qos.store import Columns
from qos.store.read_request import Selection
from qos.store.sqlite.reading import aggregate
from qos.store.sqlite.reading.read_plan import plan_windows
from qos.store.sqlite.series import all_series
from qos.store.sqlite.upkeep.rollup import standing


def read(db: sqlite3.Connection, selection: Selection) -> Columns:
    """The columns asked for, inside the caller's snapshot."""
    series = all_series(db, selection.spec)
    chosen = {number: tags for number, tags in series.items() if selection.matches(tags)}
    every = len(chosen) == len(series)
    if not chosen or selection.start_ns >= selection.stop_ns:
        rows: list[tuple[Any, ...]] = []
    elif selection.aggregate is None:
        rows = _raw(db, selection, None if every else list(chosen))
    else:
        start_ns, stop_ns = selection.start_ns, selection.stop_ns
        plan = plan_windows(start_ns, stop_ns, selection.every_ns, standing(db, selection.spec, start_ns, stop_ns))
        source = aggregate.Source(selection.spec, plan, None if every else tuple(chosen))
        rows = aggregate.windows(db, selection, chosen, source)
    columns = list(zip(*rows, strict=True)) or [() for _ in selection.columns]
    return {name: list(column) for name, column in zip(selection.columns, columns, strict=True)}


def _raw(db: sqlite3.Connection, selection: Selection, numbers: list[int] | None) -> list[tuple[Any, ...]]:
    spec = selection.spec
    newest = selection.limit is not None
    names = ["r.time_ns", *(f"s.{tag}" for tag in selection.by), *(f"r.{f.name}" for f in selection.fields)]
    direction = " DESC" if newest else ""
    order = ", ".join(f"{column}{direction}" for column in ("r.time_ns", *(f"s.{tag}" for tag in spec.tags)))
    only = "" if numbers is None else f" AND r.series IN ({','.join(map(str, numbers))})"
    rows = db.execute(
        f"SELECT {', '.join(names)} FROM {spec.name} r CROSS JOIN {spec.name}_series s ON s.id = r.series"
        f" WHERE r.time_ns >= ? AND r.time_ns < ?{only} ORDER BY {order}"
        f"{f' LIMIT {selection.limit}' if newest else ''}",
        (selection.start_ns, selection.stop_ns),
    ).fetchall()
    return rows[::-1] if newest else rows
