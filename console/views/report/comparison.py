"""What ``autoqos report`` shows: CPU, memory and bandwidth of the chosen applications, read onto one grid.

Pandas is imported when a report is made, never before. An interval without a row stays absent; it is no zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from console.views.times import rough_span
from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.store import Reader

if TYPE_CHECKING:
    import pandas as pd

MOST: Final = 8
"""Applications in one picture: more lines cannot be told apart."""
_S: Final = 10**9


@dataclass(frozen=True, slots=True)
class Period:
    """What is drawn: UTC nanoseconds, one point per ``every_ns``."""

    start_ns: int
    stop_ns: int
    every_ns: int

    def __str__(self) -> str:
        return rough_span(self.stop_ns - self.start_ns)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the picture shows: one row per period and application, and which applications, in which order."""

    host: str
    period: Period
    resources: "pd.DataFrame"
    traffic: "pd.DataFrame"
    apps: tuple[str, ...]


def compare(store: Reader, config: Config, period: Period, apps: Sequence[str] = ()) -> Compared:
    """Read what the picture shows. Raises ConfigError when nothing was measured, StoreUnavailable."""
    resources = _frame(store, "app_resources", ("cpu_percent", "rss_bytes"), period)
    traffic = _frame(store, "app_traffic", ("rx_bytes", "tx_bytes"), period)
    traffic["down_bps"] = traffic["rx_bytes"] * 8 * _S / period.every_ns
    traffic["up_bps"] = traffic["tx_bytes"] * 8 * _S / period.every_ns
    chosen = choose(resources, traffic, apps or config.collector.resources_of)
    if not chosen and apps:
        raise ConfigError(f"nothing measured of {', '.join(apps)} in the last {period}: see `autoqos usage`")
    if not chosen:
        raise ConfigError(f"no application measured in the last {period}: run `autoqos up`, or widen --since")
    return Compared(config.host, period, resources, traffic, tuple(chosen))


def period_of(start_ns: int, stop_ns: int, interval_ns: int) -> Period:
    """The period with about 400 points, never finer than it was measured."""
    return Period(start_ns, stop_ns, step_ns(start_ns, stop_ns, interval_ns))


def step_ns(start_ns: int, stop_ns: int, interval_ns: int) -> int:
    """One point per so many nanoseconds: about 400 in a picture, never finer than it was measured."""
    nice = [n * _S for n in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)]
    least = max(interval_ns, (stop_ns - start_ns) // 400)
    return next((step for step in nice if step >= least), nice[-1])


def choose(resources: "pd.DataFrame", traffic: "pd.DataFrame", globs: Sequence[str]) -> list[str]:
    """The applications to draw, those with the most traffic and CPU first, at most ``MOST``."""
    moved = traffic.groupby("app")[["rx_bytes", "tx_bytes"]].sum().sum(axis=1)
    cpu = resources.groupby("app")["cpu_percent"].sum()
    names = sorted({*moved.index, *cpu.index}, key=lambda app: (-moved.get(app, 0), -cpu.get(app, 0), app))
    if globs:
        wanted = [glob.casefold() for glob in globs]
        names = [name for name in names if any(fnmatchcase(name.casefold(), glob) for glob in wanted)]
    return names[:MOST]


def _frame(store: Reader, measurement: str, fields: Sequence[str], period: Period) -> "pd.DataFrame":
    import pandas as pd

    columns = store.read(
        measurement,
        fields,
        start_ns=period.start_ns,
        stop_ns=period.stop_ns,
        every_ns=period.every_ns,
        aggregate="auto",
        by=("app",),
    )
    frame = pd.DataFrame(columns)
    frame["time"] = pd.to_datetime(frame["time_ns"], unit="ns", utc=True)
    return frame
