"""Stored points as the page's charts want them: one grid of times, a column per line, None where nothing was measured.

A window without any interface's row is a gap: the agent did not run or the computer slept. It is never a zero.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from console.views.lag.incidents import StoredIncident, read_incidents
from qos.contract.points import Event
from qos.store import Columns, Reader

S: Final = 10**9
_NICE_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
MOST_LINES: Final = 8
OTHER: Final = "other applications"
UNNAMED: Final = "unattributed"


def incidents(reader: Reader, start_ns: int, stop_ns: int, limit: int = 200) -> list[StoredIncident]:
    """The lag incidents that began in the period, newest first."""
    return read_incidents(reader, start_ns, stop_ns)[: -limit - 1 : -1]


def incident_object(incident: StoredIncident) -> dict[str, Any]:
    """The incident as JSON's object; its start in UTC milliseconds names it."""
    row = asdict(incident)
    start_ms = row.pop("start_ns") // 10**6
    return {"id": str(start_ms), "start_ms": start_ms, **row}


def newest_incident(reader: Reader, now_ns: int) -> StoredIncident | None:
    """The running or last incident of the last hour."""
    return next(iter(incidents(reader, now_ns - 3600 * S, now_ns + S, limit=1)), None)


def usual_rtt(reader: Reader, now_ns: int) -> dict[str, float]:
    """Per target the median of the last hour's minutes, ms."""
    columns = reader.read("probe", ["rtt_ms"], start_ns=now_ns - 3600 * S, every_ns=60 * S, by=("target",))
    by_target: dict[str, list[float]] = {}
    for target, rtt in zip(columns["target"], columns["rtt_ms"], strict=True):
        if rtt is not None:
            by_target.setdefault(target, []).append(rtt)
    return {target: round(sorted(found)[len(found) // 2], 1) for target, found in by_target.items()}


def step_ns(start_ns: int, stop_ns: int, points: int, interval_ns: int) -> int:
    """The grid's step: about ``points`` of them, a round number, never finer than it was measured."""
    least = max(interval_ns, (stop_ns - start_ns) // max(1, points))
    return next((n * S for n in _NICE_S if n * S >= least), -(-least // (86400 * S)) * 86400 * S)


@dataclass(frozen=True, slots=True)
class Grid:
    """The times of a chart: ``start_ns`` and every ``every_ns`` until before ``stop_ns``, aligned to the epoch."""

    start_ns: int
    stop_ns: int
    every_ns: int

    @classmethod
    def over(cls, start_ns: int, stop_ns: int, every_ns: int) -> "Grid":
        """The grid over the period; a last step that has hardly begun is left out: it would look like a fall."""
        begun_ns = stop_ns % every_ns
        if 0 < begun_ns < every_ns * 9 // 10 and every_ns > S and stop_ns - start_ns > 2 * every_ns:
            stop_ns -= begun_ns
        return cls(start_ns - start_ns % every_ns, stop_ns, every_ns)

    @property
    def count(self) -> int:
        """How many times."""
        return max(0, -(-(self.stop_ns - self.start_ns) // self.every_ns))

    def empty(self) -> list[Any]:
        """A line with nothing on it."""
        return [None] * self.count

    def parts(self, steps: int) -> Iterator["Grid"]:
        """The same times in grids of at most so many."""
        for start_ns in range(self.start_ns, self.stop_ns, steps * self.every_ns):
            yield Grid(start_ns, min(self.stop_ns, start_ns + steps * self.every_ns), self.every_ns)

    def at(self, time_ns: int) -> int:
        """The index of a time; outside the grid it is negative or too large."""
        return (time_ns - self.start_ns) // self.every_ns


def traffic(reader: Reader, grid: Grid, app: str | None = None, most: int = MOST_LINES) -> dict[str, Any]:
    """The applications' rates (bit/s) on the grid: the busiest, then the others together, then what has no name.

    ``ran`` says where the agent measured; there a line is 0 where an application had no traffic.
    """
    host = _read(reader, "host_traffic", _HOST_FIELDS, grid, by=())
    ran = [False] * grid.count
    for time_ns in host["time_ns"]:
        if 0 <= (index := grid.at(time_ns)) < grid.count:
            ran[index] = True
    moved = _bytes_of_applications(reader, grid, app)
    order = sorted(moved, key=lambda name: (-sum(moved[name].down) - sum(moved[name].up), name))
    shown, rest = order[:most], order[most:]
    lines = {name: moved[name] for name in shown}
    if rest:
        others = lines.setdefault(OTHER, _Moved.nothing(grid.count))
        for name in rest:
            others.add(moved[name])
    scale = 8 * S / grid.every_ns
    found: dict[str, Any] = {
        "start_ms": grid.start_ns // 10**6,
        "every_ms": grid.every_ns // 10**6,
        "ran": ran,
        "apps": [{"app": name, **line.rates(ran, scale)} for name, line in lines.items()],
    }
    if app is None:
        found["apps"].append({"app": UNNAMED, **_on_grid(grid, host, "unattributed_rx_bytes", "unattributed_tx_bytes")})
        found["host"] = _on_grid(grid, host, "rx_bytes", "tx_bytes")
    return found


_HOST_FIELDS: Final = ("rx_bytes", "tx_bytes", "unattributed_rx_bytes", "unattributed_tx_bytes")
_STEPS_AT_ONCE: Final = 30


@dataclass(frozen=True, slots=True)
class _Moved:
    """Bytes per step, down and up: eight bytes a number, where a list of numbers takes forty."""

    down: "array[float]"
    up: "array[float]"

    @classmethod
    def nothing(cls, count: int) -> "_Moved":
        return cls(array("d", bytes(8 * count)), array("d", bytes(8 * count)))

    def add(self, other: "_Moved") -> None:
        for index, (down, up) in enumerate(zip(other.down, other.up, strict=True)):
            self.down[index] += down
            self.up[index] += up

    def rates(self, ran: Sequence[bool], scale: float) -> dict[str, list[int | None]]:
        """Bit/s; nothing where nobody measured."""
        return {
            name: [round(value * scale) if run or value else None for value, run in zip(side, ran, strict=True)]
            for name, side in (("down", self.down), ("up", self.up))
        }


def _bytes_of_applications(reader: Reader, grid: Grid, app: str | None) -> dict[str, _Moved]:
    """Read a few steps at a time: the rows of a whole chart, at once, took a sixth of the server's memory for ever."""
    where = {"app": app} if app is not None else None
    moved: dict[str, _Moved] = {}
    for part in grid.parts(_STEPS_AT_ONCE):
        rows = _read(reader, "app_traffic", ("rx_bytes", "tx_bytes"), part, by=("app",), where=where)
        for time_ns, name, rx, tx in zip(
            *(rows[key] for key in ("time_ns", "app", "rx_bytes", "tx_bytes")), strict=True
        ):
            if 0 <= (at := grid.at(time_ns)) < grid.count:
                line = moved.get(name) or moved.setdefault(name, _Moved.nothing(grid.count))
                line.down[at] += rx or 0
                line.up[at] += tx or 0
    return moved


def _read(reader: Reader, measurement: str, fields: Sequence[str], grid: Grid, **options: Any) -> Columns:
    """One row per step and tag set."""
    return reader.read(
        measurement,
        fields,
        start_ns=grid.start_ns,
        stop_ns=grid.stop_ns,
        every_ns=grid.every_ns,
        aggregate="auto",
        **options,
    )


def _on_grid(grid: Grid, columns: Columns, down: str, up: str) -> dict[str, list[Any]]:
    scale = 8 * S / grid.every_ns
    found: dict[str, list[Any]] = {}
    for side, field in (("down", down), ("up", up)):
        line = grid.empty()
        for time_ns, value in zip(columns["time_ns"], columns[field], strict=True):
            if 0 <= (index := grid.at(time_ns)) < grid.count and value is not None:
                line[index] = (line[index] or 0) + round(value * scale)
        found[side] = line
    return found


def latency(reader: Reader, grid: Grid, targets: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Per target the mean RTT (ms) and loss (ratio) on the grid."""
    columns = _read(reader, "probe", ("rtt_ms", "loss_ratio"), grid, by=("target",))
    found: dict[str, dict[str, list[Any]]] = {}
    for index, time_ns in enumerate(columns["time_ns"]):
        at = grid.at(time_ns)
        if not 0 <= at < grid.count:
            continue
        lines = found.setdefault(columns["target"][index], {"rtt_ms": grid.empty(), "loss_ratio": grid.empty()})
        for field, digits in (("rtt_ms", 2), ("loss_ratio", 4)):
            value = columns[field][index]
            lines[field][at] = None if value is None else round(value, digits)
    wanted = sorted(found) if targets is None else [target for target in targets if target in found]
    return [{"target": target, **found[target]} for target in wanted]


def gaps(ran: Sequence[bool], grid: Grid, least: int = 3) -> list[dict[str, int]]:
    """Where nothing was measured for at least ``least`` steps: start and stop, UTC milliseconds."""
    found = []
    begin: int | None = None
    for index, run in enumerate([*ran, True]):
        if not run and begin is None:
            begin = index
        elif run and begin is not None:
            if index - begin >= least:
                found.append(
                    {
                        "start_ms": (grid.start_ns + begin * grid.every_ns) // 10**6,
                        "stop_ms": (grid.start_ns + index * grid.every_ns) // 10**6,
                    }
                )
            begin = None
    return found


def events(reader: Reader, start_ns: int, stop_ns: int, limit: int = 200) -> list[dict[str, Any]]:
    """The events of the period, newest first."""
    columns = reader.read(Event.MEASUREMENT, start_ns=start_ns, stop_ns=stop_ns, limit=limit)
    found = [
        {"time_ms": time_ns // 10**6} | {name: columns[name][index] for name in ("part", "kind", "subject", "message")}
        for index, time_ns in enumerate(columns["time_ns"])
    ]
    return found[::-1]
