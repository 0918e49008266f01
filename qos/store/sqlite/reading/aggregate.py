"""Windows over raw rows and rollups together, exact: a rollup row is a partial result, a raw row is one of one point.

Every source offers the same partial columns (``n``, ``last_ns`` and per field ``_sum``, ``_n``, ``_min``, ``_max``,
``_last``, ``_last_ns``), so one query combines them. ``last`` is the newest value that is present; where several
series merge and times tie, the greatest tags win. Integer sums beyond 64 bits become floats.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qos.contract.points import FieldSpec, Spec
from qos.store.read_request import ReadRequest
from qos.store.sqlite.reading.read_plan import ReadPlan
from qos.store.sqlite.series import Tags

_NEEDS: Final = {"sum": ("sum",), "mean": ("sum", "n"), "min": ("min",), "max": ("max",), "count": ("n",), "last": ()}

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PartialRows:
    """Where partial rows of one measurement come from: the planned intervals, and the series (None: all)."""

    spec: Spec
    plan: ReadPlan
    numbers: tuple[int, ...] | None = None

    def sql(self, needed: Sequence[tuple[FieldSpec, str]]) -> tuple[str, list[str]]:
        """The union of the planned tables with the partial columns needed, and its parameters."""
        only = "" if self.numbers is None else f" AND r.series IN ({','.join(map(str, self.numbers))})"
        parts, parameters = [], []
        for suffix, spans in self.plan.sources():
            columns = ["r.time_ns AS t", "r.series AS series", f"{'r.n' if suffix else '1'} AS n"]
            columns.append(f"{'r.last_ns' if suffix else 'r.time_ns'} AS last_ns")
            for f, part in needed:
                columns += _rolled(f, part) if suffix else _single(f, part)
            parts.append(
                f"SELECT {', '.join(columns)} FROM json_each(?) seg CROSS JOIN {self.spec.name}{suffix} r"
                " WHERE r.time_ns >= json_extract(seg.value, '$[0]') AND r.time_ns < json_extract(seg.value, '$[1]')"
                f"{only}"
            )
            parameters.append(spans.json())
        return " UNION ALL ".join(parts), parameters


def windows(db: sqlite3.Connection, request: ReadRequest, chosen: Mapping[int, Tags], source: PartialRows) -> list[Row]:
    """One row per window and tag set, ordered by time, then tags. ``chosen`` are the series asked for."""
    spec = request.spec
    kept = [spec.tags.index(name) for name in request.by]
    keys = {number: tuple(tags[at] for at in kept) for number, tags in chosen.items()}
    groups = _combined(db, request, keys, source)
    latest = _latest(db, request, chosen, keys, source)
    rows = []
    for key in sorted(groups):
        values = iter(groups[key])
        row = [latest.get((key, f.name)) if request.how(f) == "last" else next(values) for f in request.fields]
        rows.append((key[0], *key[1], *row))
    return rows if request.limit is None else rows[max(0, len(rows) - request.limit) :]


def window_of(request: ReadRequest) -> str:
    """The SQL that gives a row's window start."""
    return str(request.stamp_ns) if request.every_ns is None else f"t - t % {request.every_ns}"


def _combined(
    db: sqlite3.Connection, request: ReadRequest, keys: Mapping[int, Tags], source: PartialRows
) -> dict[tuple[int, Tags], Row]:
    fields = [(f, request.how(f)) for f in request.fields if request.how(f) != "last"]
    table, parameters = source.sql([(f, part) for f, how in fields for part in _NEEDS[how]])
    join, groups = "", ["p.series"]
    merged = len(set(keys.values())) < len(keys)
    if merged:
        groups = [f"s.{tag}" for tag in request.by]
        join = f" JOIN {request.spec.name}_series s ON s.id = p.series" if groups else ""

    def query(add: str) -> list[Row]:
        columns = ", ".join([f"{window_of(request)} AS w", *groups, *(_combine(f, how, add) for f, how in fields)])
        return db.execute(
            f"SELECT {columns} FROM ({table}) p{join} GROUP BY {', '.join(['w', *groups])}", parameters
        ).fetchall()

    rows = widening(query)
    if not merged:
        return {(row[0], keys[row[1]]): row[2:] for row in rows}
    start = 1 + len(groups)
    return {(row[0], tuple(row[1:start])): row[start:] for row in rows}


def _combine(field: FieldSpec, how: str, add: str) -> str:
    name = field.name
    if how == "mean":
        return f"total({name}_sum) / nullif(sum({name}_n), 0)"
    if how == "count":
        return f"sum({name}_n)"
    return f"{add if how == 'sum' else how}({name}_{how})"


def widening(query: Callable[[str], list[Row]]) -> list[Row]:
    """Run with exact integer sums, and with floating sums when they leave 64 bits."""
    try:
        return query("sum")
    except sqlite3.OperationalError as error:
        if "integer overflow" not in str(error):
            raise
        return query("total")


def _latest(
    db: sqlite3.Connection,
    request: ReadRequest,
    chosen: Mapping[int, Tags],
    keys: Mapping[int, Tags],
    source: PartialRows,
) -> dict[tuple[tuple[int, Tags], str], Any]:
    wanted = [f for f in request.fields if request.how(f) == "last"]
    best: dict[tuple[tuple[int, Tags], str], tuple[int, Tags]] = {}
    result: dict[tuple[tuple[int, Tags], str], Any] = {}
    for names, rows in latest_rows(db, source, wanted, window_of(request)):
        for window, number, time_ns, *values in rows:
            rank = (time_ns, chosen[number])
            group = (window, keys[number])
            for name, value in zip(names, values, strict=True):
                key = (group, name)
                if key not in best or rank > best[key]:
                    best[key] = rank
                    result[key] = value
    return result


def latest_rows(
    db: sqlite3.Connection, source: PartialRows, wanted: Sequence[FieldSpec], window: str
) -> Iterator[tuple[list[str], list[Row]]]:
    """Per window and series the newest values: (names, rows of window, series, time, values).

    Uses that SQLite takes bare columns from the row that has the ``max()`` (sqlite.org/lang_select.html, §2.5).
    """
    for batch in [[f for f in wanted if not f.optional], *([f] for f in wanted if f.optional)]:
        if not batch:
            continue
        first = batch[0]
        table, parameters = source.sql([(f, "last") for f in batch])
        newest = f"{first.name}_last_ns" if first.optional else "last_ns"
        columns = ", ".join([f"{window} AS w", "series", f"max({newest})", *(f"{f.name}_last" for f in batch)])
        present = f" WHERE {first.name}_last IS NOT NULL" if first.optional else ""
        rows = db.execute(f"SELECT {columns} FROM ({table}){present} GROUP BY w, series", parameters).fetchall()
        yield [f.name for f in batch], rows


def partial_windows(
    db: sqlite3.Connection, source: PartialRows, width_ns: int
) -> dict[tuple[int, int], dict[str, Any]]:
    """Per window (its start) and series every partial column of whatever the source gives."""
    spec = source.spec
    window = f"t - t % {width_ns}"
    parts = ("sum", "min", "max")
    needed = [(f, part) for f in spec.fields if f.kind != "str" for part in parts]
    needed += [(f, "n") for f in spec.fields if f.optional]
    table, parameters = source.sql(needed)

    def query(add: str) -> list[Row]:
        adds = {"sum": add, "min": "min", "max": "max", "n": "sum"}
        columns = "".join(f", {adds[part]}({f.name}_{part})" for f, part in needed)
        sql = f"SELECT {window} AS w, series, sum(n), max(last_ns){columns} FROM ({table}) GROUP BY w, series"
        return db.execute(sql, parameters).fetchall()

    names = ["n", "last_ns", *(f"{f.name}_{part}" for f, part in needed)]
    rows: dict[tuple[int, int], dict[str, Any]] = {
        (row[0], row[1]): dict(zip(names, row[2:], strict=True)) for row in widening(query)
    }
    for fields, latest in latest_rows(db, source, spec.fields, window):
        for start, series, time_ns, *values in latest:
            row = rows[start, series]
            for name, value in zip(fields, values, strict=True):
                row[f"{name}_last"] = value
                row[f"{name}_last_ns"] = time_ns
    return rows


def _single(field: FieldSpec, part: str) -> list[str]:
    name = field.name
    if part == "n":
        return [f"{f'r.{name} IS NOT NULL' if field.optional else '1'} AS {name}_n"]
    stamp = [f"r.time_ns AS {name}_last_ns"] if part == "last" and field.optional else []
    return [f"r.{name} AS {name}_{part}", *stamp]


def _rolled(field: FieldSpec, part: str) -> list[str]:
    name = field.name
    if part == "n":
        return [f"{f'r.{name}_n' if field.optional else 'r.n'} AS {name}_n"]
    stamp = [f"r.{name}_last_ns AS {name}_last_ns"] if part == "last" and field.optional else []
    return [f"r.{name}_{part} AS {name}_{part}", *stamp]
