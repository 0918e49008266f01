"""Reads: raw rows straight from the table, windows from whatever resolutions the plan names."""

import sqlite3
from typing import Any

from qos.store import Columns
from qos.store.read_request import ReadRequest
from qos.store.sqlite.reading import aggregate
from qos.store.sqlite.reading.read_plan import plan_windows
from qos.store.sqlite.series import all_series
from qos.store.sqlite.upkeep.rollup import rollup_state


def read(db: sqlite3.Connection, request: ReadRequest) -> Columns:
    """The columns asked for, inside the caller's snapshot."""
    series = all_series(db, request.spec)
    chosen = {number: tags for number, tags in series.items() if request.matches(tags)}
    every = len(chosen) == len(series)
    if not chosen or request.start_ns >= request.stop_ns:
        rows: list[tuple[Any, ...]] = []
    elif request.aggregate is None:
        rows = _raw(db, request, None if every else list(chosen))
    else:
        start_ns, stop_ns = request.start_ns, request.stop_ns
        plan = plan_windows(start_ns, stop_ns, request.every_ns, rollup_state(db, request.spec, start_ns, stop_ns))
        source = aggregate.PartialRows(request.spec, plan, None if every else tuple(chosen))
        rows = aggregate.windows(db, request, chosen, source)
    columns = list(zip(*rows, strict=True)) or [() for _ in request.columns]
    return {name: list(column) for name, column in zip(request.columns, columns, strict=True)}


def _raw(db: sqlite3.Connection, request: ReadRequest, numbers: list[int] | None) -> list[tuple[Any, ...]]:
    spec = request.spec
    newest = request.limit is not None
    names = ["r.time_ns", *(f"s.{tag}" for tag in request.by), *(f"r.{f.name}" for f in request.fields)]
    direction = " DESC" if newest else ""
    order = ", ".join(f"{column}{direction}" for column in ("r.time_ns", *(f"s.{tag}" for tag in spec.tags)))
    only = "" if numbers is None else f" AND r.series IN ({','.join(map(str, numbers))})"
    rows = db.execute(
        f"SELECT {', '.join(names)} FROM {spec.name} r CROSS JOIN {spec.name}_series s ON s.id = r.series"
        f" WHERE r.time_ns >= ? AND r.time_ns < ?{only} ORDER BY {order}"
        f"{f' LIMIT {request.limit}' if newest else ''}",
        (request.start_ns, request.stop_ns),
    ).fetchall()
    return rows[::-1] if newest else rows
