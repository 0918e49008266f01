"""InfluxDB behind the store's protocol: ``read`` in InfluxQL, ``write`` as line protocol.

InfluxQL because it is the one language that 1.x, 2.x and 3.x answer at ``/query``. The results equal those of
``SqliteStore`` on the same points (a test runs both), so three habits of InfluxQL are worked around here: rows whose
selected fields are all absent vanish (a field that is always there is selected too), ``time()`` windows without an
upper bound end now (there always is one, forecasts lie ahead), and ``last`` across merged series ignores the tags'
order (those are merged here from the raw rows).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack

from qos.contract.config import InfluxConfig
from qos.contract.errors import StoreRejected
from qos.contract.points import FieldSpec, Point, Spec, to_line
from qos.shipping.client import InfluxClient, ResultSeries, raised
from qos.shipping.outcomes import BadLines, Ok, TooLarge
from qos.store import Columns, ReadOptions
from qos.store.read_request import ReadRequest, read_request

_LARGEST_WRITE: Final = 5_000
_GUARD: Final = "_n"
"""Our columns that count or carry the fields of ``_guards``."""

_Row = tuple[Any, ...]


class InfluxStore:
    """``qos.store.Store`` on a bucket (``autoqos``, or ``autoqos/5m`` and ``autoqos/1h`` for the downsampled ones)."""

    def __init__(self, client: InfluxClient) -> None:
        self._client: InfluxClient | None = client

    @classmethod
    def open(cls, settings: InfluxConfig, token: Any) -> "InfluxStore":
        """With a client of its own. ``token`` is a SecretStr or None. Raises ConfigError without one."""
        return cls(InfluxClient(settings, token))

    def write(self, points: Sequence[Point]) -> None:
        """Keep the points. Raises StoreUnavailable (try again), StoreRejected, or ConfigError when access is denied."""
        lines = [to_line(point) for point in points if not point.LOCAL]
        for start in range(0, len(lines), _LARGEST_WRITE):
            self._write(lines[start : start + _LARGEST_WRITE])

    def _write(self, lines: Sequence[str]) -> None:
        outcome = self._open().write(lines)
        if isinstance(outcome, TooLarge) and len(lines) > 1:
            self._write(lines[: len(lines) // 2])
            self._write(lines[len(lines) // 2 :])
        elif isinstance(outcome, BadLines | TooLarge):
            raise StoreRejected(f"InfluxDB at {self._open().address} does not take these points: {outcome.reason}")
        elif not isinstance(outcome, Ok):
            raise raised(self._open().address, outcome)

    def read(self, measurement: str, fields: Sequence[str] | None = None, **options: Unpack[ReadOptions]) -> Columns:
        """See ``qos.store.Reader.read``. Also raises ConfigError when the server denies access."""
        request = read_request(measurement, fields, **options)
        rows = sorted(self._rows(request), key=lambda row: row[0])
        if request.limit is not None:
            rows = rows[max(0, len(rows) - request.limit) :]
        columns = list(zip(*(values for _, values in rows), strict=True)) or [() for _ in request.columns]
        return {name: list(column) for name, column in zip(request.columns, columns, strict=True)}

    def close(self) -> None:
        """Close the connections. Reading or writing afterwards raises ValueError."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> "InfluxStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> InfluxClient:
        if self._client is None:
            raise ValueError("the store is closed")
        return self._client

    def _rows(self, request: ReadRequest) -> Iterator[tuple[_Row, _Row]]:
        """(sort key: time then tags, the row) of what was asked for, in no order."""
        client = self._open()
        if request.spec.local or request.start_ns >= request.stop_ns or request.limit == 0:
            return
        if any(not wanted for _, wanted in request.where):
            return
        if request.aggregate is None:
            for time_ns, tags, values in self._raw(client, request, request.fields):
                shown = tuple(t for t, name in zip(tags, request.spec.tags, strict=True) if name in request.by)
                yield (time_ns, *tags), (time_ns, *shown, *values)
            return
        for (time_ns, tags), found in self._windows(client, request).items():
            yield (time_ns, *tags), (time_ns, *tags, *(found.get(f.name) for f in request.fields))

    def _raw(
        self, client: InfluxClient, request: ReadRequest, fields: Sequence[FieldSpec]
    ) -> Iterator[tuple[int, _Row, _Row]]:
        """(time, all tags, values) of the raw points."""
        spec = request.spec
        names = ", ".join(_name(n) for n in (*(f.name for f in fields), *spec.tags))
        guards = _guards(spec)
        guarding = ", ".join(f"{_name(f.name)} AS {_name(f'{_GUARD}{at}')}" for at, f in enumerate(guards))
        statement = f"SELECT {guarding}, {names} FROM {_name(spec.name)}"
        bounds = _bounds(request.start_ns, request.stop_ns)
        tail = f" WHERE {bounds}{_conditions(request)}"
        if request.limit is None:
            answer = client.query(statement + tail)
        else:
            answer = client.query(f"{statement}{tail} ORDER BY time DESC LIMIT {request.limit}")
            times = [row[0] for series in answer for row in series.values]
            if len(times) == request.limit:
                # Which of the points of the oldest instant are kept is decided by their tags, so fetch all of them.
                answer = [_without(series, times[-1]) for series in answer]
                only = _bounds(times[-1], times[-1] + 1)
                answer += client.query(f"{statement} WHERE {only}{_conditions(request)}")
        first = 1 + len(guards)
        for series in answer:
            for row in series.values:
                values = tuple(_typed(f, "last", v) for f, v in zip(fields, row[first:], strict=False))
                yield row[0], tuple(row[first + len(fields) :]), values

    def _windows(self, client: InfluxClient, request: ReadRequest) -> dict[tuple[int, _Row], dict[str, Any]]:
        """Per window and tag set the fields' values; the window is there whenever any point is."""
        spec = request.spec
        merged = len(request.by) < len(spec.tags)
        here = [f for f in request.fields if merged and request.how(f) == "last"]
        there = [f for f in request.fields if f not in here]
        guards = _guards(spec)
        columns = [f"count({_name(f.name)}) AS {_name(f'{_GUARD}{at}')}" for at, f in enumerate(guards)]
        columns += [f"{request.how(f)}({_name(f.name)}) AS {_name(f.name)}" for f in there]
        grouping = [] if request.every_ns is None else [f"time({request.every_ns}ns)"]
        grouping += [_name(tag) for tag in request.by]
        tail = " GROUP BY " + ", ".join(grouping) if grouping else ""
        answer = client.query(
            f"SELECT {', '.join(columns)} FROM {_name(spec.name)}"
            f" WHERE {_bounds(request.start_ns, request.stop_ns)}{_conditions(request)}"
            f"{tail}{' fill(none)' if request.every_ns else ''}"
        )
        groups: dict[tuple[int, _Row], dict[str, Any]] = {}
        for series in answer:
            tags = tuple(series.tags[name] for name in request.by)
            for row in series.values:
                if not any(row[1 : 1 + len(guards)]):
                    continue
                time_ns = request.stamp_ns if request.every_ns is None else row[0]
                values = {
                    f.name: _typed(f, request.how(f), v) for f, v in zip(there, row[1 + len(guards) :], strict=True)
                }
                groups[time_ns, tags] = values
        if here:
            self._last(client, request, here, groups)
        return groups

    def _last(
        self,
        client: InfluxClient,
        request: ReadRequest,
        fields: Sequence[FieldSpec],
        groups: dict[tuple[int, _Row], dict[str, Any]],
    ) -> None:
        """Of merged series the newest value that is present; where times tie, the greatest tags win."""
        rows = self._raw(client, replace(request, limit=None), fields)
        for time_ns, tags, values in sorted(rows, key=lambda row: row[:2]):
            every = request.every_ns
            window = request.stamp_ns if every is None else time_ns - time_ns % every
            shown = tuple(t for t, name in zip(tags, request.spec.tags, strict=True) if name in request.by)
            group = groups.get((window, shown))
            if group is not None:
                group.update({f.name: v for f, v in zip(fields, values, strict=True) if v is not None})


def _guards(spec: Spec) -> tuple[FieldSpec, ...]:
    """A field that every point has, so that no row vanishes; where there is none (``link``), all of them."""
    return next(((f,) for f in spec.fields if not f.optional), spec.fields)


def _name(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _bounds(start_ns: int, stop_ns: int) -> str:
    return f"time >= {start_ns} AND time < {stop_ns}"


def _conditions(request: ReadRequest) -> str:
    parts = []
    for tag, wanted in request.where:
        parts.append(" AND (" + " OR ".join(f"{_name(tag)} = {_text(value)}" for value in wanted) + ")")
    return "".join(parts)


def _without(series: ResultSeries, time_ns: int) -> ResultSeries:
    kept = [row for row in series.values if row[0] != time_ns]
    return ResultSeries(series.name, series.tags, series.columns, kept)


def _typed(field: FieldSpec, how: str, value: Any) -> Any:
    """JSON has one kind of number: give the field's own kind back. A downsampled mean of integers stays a float."""
    if how == "count":
        return 0 if value is None else int(value)
    if value is None or field.kind == "str":
        return value
    if field.kind == "float" or how == "mean" or value != int(value):
        return float(value)
    return int(value)
