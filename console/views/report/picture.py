"""The picture of ``autoqos report``: four panels over one time axis, legible at 1200 pixels.

Nothing is invented: an interval without a row is a gap in the line, not a zero.
"""

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from console.views.output import plain
from console.views.report.comparison import Compared, Period
from qos.contract.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Told apart by colour-blind readers too (Okabe and Ito)."""


def draw(compared: Compared, output: Path) -> None:
    """Write the picture as PNG, 1200 pixels wide; the old file stays until the new one is whole. Raises ConfigError."""
    import matplotlib.dates as mdates
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    period = compared.period
    figure = Figure(figsize=(12, 11), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[tuple[Any, str, float, str]] = [
        (compared.resources, "CPU, % of one core", 1, "cpu_percent"),
        (compared.resources, "memory, MB", 1e6, "rss_bytes"),
        (compared.traffic, "received, Mbit/s", 1e6, "down_bps"),
        (compared.traffic, "sent, Mbit/s", 1e6, "up_bps"),
    ]
    axes = figure.subplots(len(panels), 1, sharex=True)
    for ax, (frame, label, scale, field) in zip(axes, panels, strict=True):
        for app, colour in zip(compared.apps, _COLOURS, strict=False):
            line = _series(frame, app, field, period) / scale
            # The dots keep a lone measurement between two gaps visible.
            ax.plot(line.index, line, color=colour, linewidth=1.5, marker=".", markersize=3)
        ax.set_ylabel(label, fontsize=13)
        ax.set_ylim(bottom=0)
        ax.grid(visible=True, alpha=0.3)
        ax.tick_params(labelsize=12)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    zone = _local_zone(period)
    locator = mdates.AutoDateLocator(tz=zone)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=zone))
    axes[-1].set_xlim(*_times(period))
    handles = [_handle(colour) for _, colour in zip(compared.apps, _COLOURS, strict=False)]
    figure.legend(
        handles,
        [plain(app) for app in compared.apps],
        loc="outside lower center",
        ncols=min(4, len(compared.apps)),
        fontsize=13,
    )
    figure.suptitle(f"{plain(compared.host)}: applications compared, the last {period}", fontsize=15)
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        figure.savefig(partial, format="png")
        partial.replace(output)
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written ({error.strerror}): name another file with -o") from None
    finally:
        partial.unlink(missing_ok=True)


def _handle(colour: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linewidth=3)


def _times(period: Period) -> tuple[Any, Any]:
    import pandas as pd

    return pd.Timestamp(period.start_ns, unit="ns", tz="UTC"), pd.Timestamp(period.stop_ns, unit="ns", tz="UTC")


def _local_zone(period: Period) -> Any:
    return datetime.datetime.fromtimestamp(period.stop_ns / 1e9, datetime.UTC).astimezone().tzinfo


def _series(frame: "pd.DataFrame", app: str, field: str, period: Period) -> "pd.Series[float]":
    """One line on the whole grid, so that what was not measured is a gap."""
    import pandas as pd

    first_ns = period.start_ns - period.start_ns % period.every_ns
    grid = pd.to_datetime(range(first_ns, period.stop_ns + 1, period.every_ns), unit="ns", utc=True)
    rows = frame.loc[frame["app"] == app].set_index("time")[field]
    return rows.astype(float).reindex(grid)
