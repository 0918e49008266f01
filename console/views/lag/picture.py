"""One incident as a picture: round trips above, applications below, the incident shaded, the suspect coloured."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from console.views.lag.around import Around
from console.views.lag.listing import bad, who
from console.views.output import plain
from qos.contract.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUSPECT: Final = "#D55E00"
OTHERS: Final = ("#56B4E9", "#009E73", "#999999", "#CC79A7", "#E69F00")
TARGETS: Final = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#000000")
"""Told apart by colour-blind readers too (Okabe and Ito)."""


def draw(around: Around, output: Path) -> None:
    """Write the picture as PNG, 1200 pixels wide. Raises ConfigError when the file cannot be written."""
    import matplotlib.dates as mdates
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    incident = around.incident
    figure = Figure(figsize=(12, 7.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    for (target, points), colour in zip(sorted(around.rtts.items()), TARGETS * 3, strict=False):
        times = [_time(at) for at, _ in points]
        values = [float("nan") if ms is None else ms for _, ms in points]
        above.plot(times, values, color=colour, linewidth=1.5, marker=".", markersize=4, label=plain(target))
        lost = [at for at, ms in points if ms is None]
        marks = [_time(at) for at in lost]
        above.plot(marks, [0] * len(lost), "x", color=SUSPECT, markersize=8, zorder=5)
    above.set_ylabel("round trip, ms (x: no answer)", fontsize=12)
    _stack(below, around)
    side = "download" if around.direction == "down" else "upload"
    below.set_ylabel(f"{side}, Mbit/s", fontsize=12)
    for ax in (above, below):
        ax.axvspan(_time(incident.start_ns), _time(incident.stop_ns), color="#888888", alpha=0.2, linewidth=0)
        ax.set_ylim(bottom=0)
        ax.grid(visible=True, alpha=0.3)
        ax.tick_params(labelsize=11)
        ax.legend(loc="upper right", fontsize=11)
    zone = _time(incident.start_ns).tzinfo
    locator = mdates.AutoDateLocator(tz=zone)
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=zone))
    below.set_xlim(_time(around.start_ns), _time(around.stop_ns))
    figure.suptitle(plain(f"{bad(incident)}, made by {who(incident)} ({incident.sure} confidence)"), fontsize=15)
    try:
        figure.savefig(output, format="png")
    except OSError as error:
        raise ConfigError(f"--png: {output} cannot be written: {error.strerror or error}") from None


def _stack(ax: Any, around: Around) -> None:
    """The applications on top of each other, the suspect lowest."""
    times: Sequence[int] = sorted({at for points in around.rates.values() for at, _ in points})
    floor = [0.0] * len(times)
    colours = iter(OTHERS)
    for app, points in around.rates.items():
        moved = dict(points)
        top = [base + moved.get(at, 0.0) / 1e6 for at, base in zip(times, floor, strict=True)]
        colour = SUSPECT if app == around.incident.app else next(colours)
        where = [_time(at) for at in times]
        ax.fill_between(where, floor, top, step="pre", color=colour, alpha=0.85, linewidth=0, label=plain(app))
        floor = top


def _time(time_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ns / 1e9, datetime.UTC).astimezone()
