"""Stand-ins that satisfy the Protocols: an in-memory store and a clock that moves when told to.

``MemoryStore`` is written the plain way, one loop over all points, so that it also serves as the oracle that the SQLite
store is compared with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from qos.contract.config import Retention
from qos.contract.points import SPECS, FieldSpec, Point
from qos.store import Columns, ReadOptions
from qos.store.read_request import ReadRequest, read_request
from qos.store.sqlite.journal import Backlog, Batch


@dataclass(slots=True)
class FakeClock:
    """``qos.system.clock.Clock`` by hand: both clocks move with ``advance``; the wall clock may also be set."""

    wall: int = 1_700_000_000_000_000_000
    monotonic: int = 1_000_000_000

    def wall_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def advance(self, delta_ns: int) -> None:
        self.wall += delta_ns
        self.monotonic += delta_ns

    def set_wall(self, wall_ns: int) -> None:
        self.wall = wall_ns


class MemoryStore:
    """Everything that ``SqliteStore`` offers, in a dictionary. ``failure`` is raised by the next writes while set."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.notes: tuple[str, ...] = ()
        self.retention = Retention()
        self._rows: dict[tuple[str, tuple[str, ...], int], tuple[int, Point]] = {}
        self._states: dict[str, str] = {}
        self._cursors: dict[str, dict[str, int]] = {}
        self._position = 0
        self._version = 0
        self._closed = False

    @property
    def points(self) -> list[Point]:
        """All points in the order they were written."""
        return [point for _, point in sorted(self._rows.values(), key=lambda entry: entry[0])]

    def write(self, points: Sequence[Point], *, states: Mapping[str, Any] | None = None) -> None:
        self._open()
        if self.failure is not None:
            raise self.failure
        encoded = {key: json.dumps(value, allow_nan=False) for key, value in (states or {}).items()}
        for point in points:
            self._position += 1
            key = (point.MEASUREMENT, tuple(point.tags.values()), point.time_ns)
            self._rows[key] = (self._position, point)
        self._states.update(encoded)
        self._version += 1

    def read(self, measurement: str, fields: Sequence[str] | None = None, **options: Unpack[ReadOptions]) -> Columns:
        self._open()
        request = read_request(measurement, fields, **options)
        found = sorted(
            (
                (time_ns, tags, point)
                for (name, tags, time_ns), (_, point) in self._rows.items()
                if name == measurement and request.start_ns <= time_ns < request.stop_ns and request.matches(tags)
            ),
            key=lambda entry: entry[:2],
        )
        rows = _raw_rows(request, found) if request.aggregate is None else _window_rows(request, found)
        if request.limit is not None:
            rows = rows[max(0, len(rows) - request.limit) :]
        return {name: [row[at] for row in rows] for at, name in enumerate(request.columns)}

    def get_state(self, key: str) -> Any | None:
        self._open()
        return json.loads(self._states[key]) if key in self._states else None

    def states(self, prefix: str) -> dict[str, Any]:
        self._open()
        return {key: json.loads(text) for key, text in sorted(self._states.items()) if key.startswith(prefix)}

    def set_state(self, key: str, value: Any) -> None:
        self.write((), states={key: value})

    def delete_state(self, key: str) -> None:
        self._open()
        self._states.pop(key, None)
        self._version += 1

    def data_version(self) -> int:
        self._open()
        return self._version

    def register_cursor(self, name: str) -> None:
        self._open()
        self._cursors.setdefault(name, {})

    def pending(self, name: str, limit: int) -> Batch:
        self.register_cursor(name)
        queues: dict[str, list[tuple[int, Point]]] = {}
        for position, point in self._waiting(name):
            queues.setdefault(point.MEASUREMENT, []).append((position, point))
        chosen: list[Point] = []
        positions: dict[str, int] = {}
        while queues and len(chosen) < limit:
            measurement = min(queues, key=lambda m: (queues[m][0][1].time_ns, m))
            position, point = queues[measurement].pop(0)
            chosen.append(point)
            positions[measurement] = position
            if not queues[measurement]:
                del queues[measurement]
        return Batch(tuple(chosen), positions)

    def acknowledge(self, name: str, batch: Batch) -> None:
        self._open()
        cursor = self._cursors.setdefault(name, {})
        for measurement, position in batch.positions.items():
            cursor[measurement] = max(cursor.get(measurement, 0), position)

    def backlog(self, name: str) -> Backlog:
        self._open()
        waiting = self._waiting(name)
        return Backlog(len(waiting), min((point.time_ns for _, point in waiting), default=None), 0)

    def size_bytes(self) -> int:
        return 0

    def retain(self, retention: Retention) -> None:
        self.retention = retention

    def maintain(self, now_ns: int, *, budget_s: float = 0.5) -> bool:
        self._open()
        return True

    def close(self) -> None:
        self._closed = True

    def _waiting(self, name: str) -> list[tuple[int, Point]]:
        cursor = self._cursors.get(name, {})
        entries = sorted(self._rows.values(), key=lambda entry: entry[0])
        return [
            (position, point)
            for position, point in entries
            if not SPECS[point.MEASUREMENT].local and position > cursor.get(point.MEASUREMENT, 0)
        ]

    def _open(self) -> None:
        if self._closed:
            raise ValueError("the store is closed")


Found = list[tuple[int, tuple[str, ...], Point]]


def _kept(request: ReadRequest, point: Point) -> tuple[str, ...]:
    return tuple(getattr(point, tag) for tag in request.by)


def _raw_rows(request: ReadRequest, found: Found) -> list[tuple[Any, ...]]:
    return [
        (time_ns, *_kept(request, point), *(getattr(point, f.name) for f in request.fields))
        for time_ns, _, point in found
    ]


def _window_rows(request: ReadRequest, found: Found) -> list[tuple[Any, ...]]:
    groups: dict[tuple[int, tuple[str, ...]], list[Point]] = {}
    for time_ns, _, point in found:
        start = request.stamp_ns if request.every_ns is None else time_ns - time_ns % request.every_ns
        groups.setdefault((start, _kept(request, point)), []).append(point)
    return [
        (start, *tags, *(_combine(request, f, groups[start, tags]) for f in request.fields))
        for start, tags in sorted(groups)
    ]


def _combine(request: ReadRequest, field: FieldSpec, points: list[Point]) -> Any:
    values = [value for point in points if (value := getattr(point, field.name)) is not None]
    how = request.how(field)
    if how == "count":
        return len(values)
    if not values:
        return None
    if how == "last":
        return values[-1]
    if how == "mean":
        return sum(values) / len(values)
    if how == "sum":
        return sum(values)
    return min(values) if how == "min" else max(values)
