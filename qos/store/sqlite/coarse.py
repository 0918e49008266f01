"""The windows of the coarse history: which ones changed and are not shipped yet, and their rows as line protocol.

Folding marks the windows of 5 minutes and of an hour that it changed; every mark has a number that only grows, so one
that is marked again while it is on its way is due again. A window's rows are computed when they are read, exactly, from
whatever resolution is left (raw rows that are not folded yet included). Nothing here knows who ships them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qos.contract.coarse import FIVE_MINUTES_NS, HOUR_NS, CoarseField, coarse_fields
from qos.contract.points import SPECS, Spec, escape_tag, escape_text
from qos.store.sqlite.reading.aggregate import PartialRows, partial_windows
from qos.store.sqlite.reading.read_plan import Span, plan_windows
from qos.store.sqlite.series import Tags, all_series

GRACE_NS: Final = 90 * 10**9
"""After a window's end: its last rows have been written and folded by then."""
_LARGEST: Final = 2**63 - 1
_SHIPPED: Final = tuple(spec for spec in SPECS.values() if not spec.local)


@dataclass(frozen=True, slots=True)
class CoarseWindow:
    """One window that changed. ``number`` grows with every change."""

    number: int
    width_ns: int
    start_ns: int


def mark(db: sqlite3.Connection, spec: Spec, level: int, span: Span) -> None:
    """The measurement's dirty windows of ``level`` in the span are being folded: note the coarse ones they lie in."""
    width_ns = FIVE_MINUTES_NS if level == 1 else HOUR_NS
    db.execute(
        "INSERT OR REPLACE INTO coarse (width_ns, time_ns) SELECT DISTINCT ?1, time_ns - time_ns % ?1 FROM dirty"
        " WHERE measurement = ?2 AND level = ?3 AND time_ns >= ?4 AND time_ns < ?5",
        (width_ns, spec.name, level, *span),
    )


def due(db: sqlite3.Connection, now_ns: int, limit: int) -> list[CoarseWindow]:
    """At most ``limit`` windows that are over, the newest first."""
    rows = db.execute(
        "SELECT id, width_ns, time_ns FROM coarse WHERE time_ns + width_ns <= ?"
        " ORDER BY time_ns DESC, width_ns LIMIT ?",
        (now_ns - GRACE_NS, limit),
    ).fetchall()
    return [CoarseWindow(*row) for row in rows]


def waiting(db: sqlite3.Connection, now_ns: int) -> int:
    """How many windows are over and not shipped."""
    row = db.execute("SELECT count(*) FROM coarse WHERE time_ns + width_ns <= ?", (now_ns - GRACE_NS,)).fetchone()
    return int(row[0])


def shipped(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """These have arrived; one that changed meanwhile has another number and stays."""
    db.executemany("DELETE FROM coarse WHERE id = ?", [(number,) for number in numbers])


def forget(db: sqlite3.Connection, width_ns: int, before_ns: int) -> None:
    """What is older has nothing left to be computed from."""
    db.execute("DELETE FROM coarse WHERE width_ns = ? AND time_ns < ?", (width_ns, before_ns))


def lines(db: sqlite3.Connection, width_ns: int, start_ns: int, stop_ns: int) -> Iterator[str]:
    """The coarse rows of every whole window in [start, stop), as line protocol."""
    start_ns, stop_ns = -(-start_ns // width_ns) * width_ns, stop_ns // width_ns * width_ns
    if start_ns >= stop_ns:
        return
    for spec in _SHIPPED:
        yield from _lines(db, spec, width_ns, start_ns, stop_ns)


def _lines(db: sqlite3.Connection, spec: Spec, width_ns: int, start_ns: int, stop_ns: int) -> Iterator[str]:
    # Imported here: ``rollup`` marks windows through this module.
    from qos.store.sqlite.upkeep.rollup import rollup_state

    state = rollup_state(db, spec, start_ns, stop_ns)
    source = PartialRows(spec, plan_windows(start_ns, stop_ns, width_ns, state))
    found = partial_windows(db, source, width_ns)
    if not found:
        return
    fields = tuple(coarse_fields(spec))
    whole_from_ns = -(-state.raw_floor_ns // width_ns) * width_ns
    ranked = _ranked(db, spec, fields, width_ns, (max(start_ns, whole_from_ns), stop_ns))
    prefixes = {number: _prefix(spec, tags) for number, tags in all_series(db, spec).items()}
    for (window_ns, series), row in sorted(found.items()):
        values = [f"n={row['n']}i"]
        for f in fields:
            value = ranked.get((window_ns, series, f.name)) if f.part == "percentile" else _value(f, row)
            if value is not None:
                values.append(f"{f.name}={_text(f, value)}")
        yield f"{prefixes[series]}{','.join(values)} {window_ns}"


def _value(f: CoarseField, row: Mapping[str, Any]) -> Any:
    name = f.source.name
    count = row[f"{name}_n"] if f.source.optional else row["n"]
    if f.part == "n":
        return count
    value = row.get(f"{name}_sum" if f.part == "mean" else f"{name}_{f.part}")
    if f.part == "mean":
        return None if not count or value is None else value / count
    if f.part == "sum" and f.kind == "int" and value is not None:
        return min(int(value), _LARGEST)
    return value


def _text(f: CoarseField, value: Any) -> str:
    if f.kind == "int":
        return f"{value}i"
    return repr(float(value)) if f.kind == "float" else f'"{escape_text(value)}"'


def _ranked(
    db: sqlite3.Connection, spec: Spec, fields: Iterable[CoarseField], width_ns: int, span: Span
) -> dict[tuple[int, int, str], float]:
    """Percentiles by nearest rank, as InfluxQL has them: the value at ``floor(count * rank / 100 + 0.5)``, from one."""
    result: dict[tuple[int, int, str], float] = {}
    wanted = [f for f in fields if f.part == "percentile"]
    for name in sorted({f.source.name for f in wanted}):
        groups: dict[tuple[int, int], list[float]] = {}
        for time_ns, series, value in db.execute(
            f"SELECT time_ns, series, {name} FROM {spec.name} WHERE time_ns >= ? AND time_ns < ?"
            f" AND {name} IS NOT NULL ORDER BY {name}",
            span,
        ):
            groups.setdefault((time_ns - time_ns % width_ns, series), []).append(value)
        for (window_ns, series), values in groups.items():
            for f in wanted:
                if f.source.name == name:
                    at = (2 * len(values) * f.rank + 100) // 200 - 1
                    result[window_ns, series, f.name] = values[min(max(at, 0), len(values) - 1)]
    return result


def _prefix(spec: Spec, tags: Tags) -> str:
    pairs = sorted(zip(spec.tags, tags, strict=True))
    return spec.name + "".join(f",{name}={escape_tag(value)}" for name, value in pairs) + " "
