"""Which series a host has, and each as a frame read from a store.

``host_down`` and ``host_up`` (bits per second, all interfaces), ``latency:TARGET`` (ms), ``loss:TARGET`` (0–1) and
``app:NAME`` (bits per second, both directions) of the busiest applications. Rates are a step's bytes over its
length; a step next to a gap was measured only in part, so it belongs to the gap. An application without a row was
silent where its host was measured, and unknown where it was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.data.frames import LADDER_NS, Floats, Frame, gaps
from qos.store import Aggregate, Reader

DAY_NS: Final = 86_400 * 10**9
HISTORY_STEPS: Final = 8064
"""At most so many steps are read: four weeks of five minutes."""
LONG_SUFFIX: Final = "@1h"
LONG_STEP_NS: Final = 3600 * 10**9
LONG_HORIZON: Final = 48
"""Hours: tonight and tomorrow."""
BUSY_NS: Final = 7 * DAY_NS
"""Applications are ranked by their bytes over this long."""


@dataclass(frozen=True, order=True)
class SeriesId:
    """One series of one host."""

    host: str
    name: str

    @property
    def measured(self) -> str:
        """What is measured: the name without the grid that a longer forecast adds (``host_down@1h``)."""
        return self.name.removesuffix(LONG_SUFFIX)

    @property
    def is_long(self) -> bool:
        """Whether this is the forecast of the next two days in hours."""
        return self.name.endswith(LONG_SUFFIX)

    @property
    def kind(self) -> str:
        """``host_down``, ``host_up``, ``latency``, ``loss`` or ``app``."""
        return self.measured.partition(":")[0]

    @property
    def subject(self) -> str:
        """The target or the application."""
        return self.measured.partition(":")[2]


def hosts(reader: Reader, start_ns: int, stop_ns: int) -> tuple[str, ...]:
    """Who measured anything in that time."""
    found = reader.read("host_traffic", ["rx_bytes"], start_ns=start_ns, stop_ns=stop_ns, aggregate="sum", by=["host"])
    return tuple(sorted(set(found["host"])))


def choose_grid(reader: Reader, host: str, now_ns: int, *, interval_ns: int, min_history: int) -> int:
    """The coarsest grid on which ``min_history`` steps are measured, else the finest that holds two ticks, ns.

    A history shorter than that of the five-minute grid so starts at ten seconds and grows.
    """
    fitting = [step for step in LADDER_NS if step >= 2 * interval_ns] or [LADDER_NS[-1]]
    for step in reversed(fitting):
        # The first step, and those beside a gap, are left out later.
        if _measured_steps(reader, host, now_ns, step) >= min_history + 2:
            return step
    return fitting[0]


def _measured_steps(reader: Reader, host: str, now_ns: int, step_ns: int) -> int:
    stop = now_ns // step_ns * step_ns
    found = reader.read(
        "host_traffic",
        ["rx_bytes"],
        where={"host": host},
        start_ns=max(0, stop - HISTORY_STEPS * step_ns),
        stop_ns=stop,
        every_ns=step_ns,
        aggregate="sum",
        by=[],
    )
    return len(found["time_ns"])


def default_series(reader: Reader, host: str, now_ns: int, top_apps: int) -> tuple[SeriesId, ...]:
    """Bandwidth, then latency and loss of each target, then the busiest applications."""
    start = max(0, now_ns - BUSY_NS)
    where = {"host": host}
    probes = reader.read("probe", ["sent"], where=where, start_ns=start, stop_ns=now_ns, aggregate="sum", by=["target"])
    targets = sorted(set(probes["target"]))
    names = ["host_down", "host_up"]
    names += [f"{kind}:{target}" for kind in ("latency", "loss") for target in targets]
    if top_apps:
        apps = reader.read(
            "app_traffic",
            ["rx_bytes", "tx_bytes"],
            where=where,
            start_ns=start,
            stop_ns=now_ns,
            aggregate="sum",
            by=["app"],
        )
        totals = sorted(
            ((rx or 0) + (tx or 0), app)
            for app, rx, tx in zip(apps["app"], apps["rx_bytes"], apps["tx_bytes"], strict=True)
        )
        names += [f"app:{app}" for _, app in reversed(totals[-top_apps:])]
    return tuple(SeriesId(host, name) for name in names)


def long_series(series: Sequence[SeriesId]) -> tuple[SeriesId, ...]:
    """Those that are forecast for the next two days too: the host's bandwidth and each target's latency."""
    kinds = ("host_down", "host_up", "latency")
    return tuple(SeriesId(one.host, one.name + LONG_SUFFIX) for one in series if one.kind in kinds)


class HostFrames:
    """Frames of one host's series on one grid; columns that several series share are read once."""

    def __init__(self, reader: Reader, host: str, step_ns: int, now_ns: int, steps: int = HISTORY_STEPS) -> None:
        self._reader, self._host, self._step_ns = reader, host, step_ns
        self._stop_ns = _last_step_end(reader, host, step_ns, now_ns)
        self._start_ns = max(0, self._stop_ns - steps * step_ns)
        self._known: dict[str, Floats] = {}

    def frame(self, series: SeriesId) -> Frame:
        """The series with the host's bandwidth, latency and loss as features; starts with its first measured step."""
        names = [series.measured, *(n for n in ("host_down", "host_up", "latency", "loss") if n != series.measured)]
        if series.kind in ("latency", "loss"):
            names.remove(series.kind)  # the mean over targets holds the target itself
        table = np.column_stack([self._column(name) for name in names])
        measured = np.flatnonzero(~np.isnan(table[:, 0]))
        first = int(measured[0]) if measured.size else table.shape[0]
        values = table[first:]
        notes: tuple[str, ...] = ()
        if holes := gaps(values[:, 0]):
            total = sum(hole.length for hole in holes)
            notes = (
                f"{len(holes)} gaps, {total} of {values.shape[0]} steps, the longest {max(h.length for h in holes)}",
            )
        return Frame(self._start_ns + first * self._step_ns, self._step_ns, tuple(names), values, notes)

    def _column(self, name: str) -> Floats:
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Floats:
        kind, _, subject = name.partition(":")
        seconds = self._step_ns / 1e9
        if kind in ("host_down", "host_up"):
            field = "rx_bytes" if kind == "host_down" else "tx_bytes"
            return _without_edges(self._windows("host_traffic", [field], {}, "sum") * 8 / seconds)
        if kind == "app":
            silent = np.where(np.isnan(self._column("host_down")), np.nan, 0.0)
            traffic = self._windows("app_traffic", ["rx_bytes", "tx_bytes"], {"app": subject}, "sum") * 8 / seconds
            return np.where(np.isnan(silent), np.nan, np.nan_to_num(traffic, nan=0.0))
        field = "rtt_ms" if kind == "latency" else "loss_ratio"
        return self._windows("probe", [field], {"target": subject} if subject else {}, "mean")

    def _windows(self, measurement: str, fields: Sequence[str], where: dict[str, str], how: Aggregate) -> Floats:
        rows = (self._stop_ns - self._start_ns) // self._step_ns
        found = self._reader.read(
            measurement,
            fields,
            where={"host": self._host, **where},
            start_ns=self._start_ns,
            stop_ns=self._stop_ns,
            every_ns=self._step_ns,
            aggregate=how,
            by=[],
        )
        result = np.full(rows, np.nan)
        place = (np.asarray(found["time_ns"], dtype=np.int64) - self._start_ns) // self._step_ns
        total = np.zeros(place.size)
        for field in fields:
            total += np.asarray([np.nan if v is None else v for v in found[field]], dtype=np.float64)
        # Bytes, milliseconds and ratios are never negative: such a value is a counter that was reset.
        result[place] = np.where(total >= 0, total, np.nan)
        return result


def _last_step_end(reader: Reader, host: str, step_ns: int, now_ns: int) -> int:
    """End of the newest step of which every tick is known to be stored, ns.

    The step that contains now is not over. The one before may lack its last tick (not written yet, or not shipped yet),
    so it counts only once a later tick of the same host is stored.
    """
    stop_ns = now_ns // step_ns * step_ns
    later = reader.read(
        "host_traffic",
        ["rx_bytes"],
        where={"host": host},
        start_ns=stop_ns,
        stop_ns=now_ns + 1,
        aggregate="count",
        by=[],
    )
    return stop_ns if any(later["rx_bytes"]) else max(0, stop_ns - step_ns)


def _without_edges(rates: Floats) -> Floats:
    """Steps next to a gap (and the first) are gaps too: the agent ran for a part of them only."""
    missing = np.isnan(rates)
    before, after = np.append(True, missing[:-1]), np.append(missing[1:], False)
    return np.where(before | after, np.nan, rates)
