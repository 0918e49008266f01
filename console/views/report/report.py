"""``autoqos report``: reads, draws, and says in words what is in the picture."""

from collections.abc import Sequence
from pathlib import Path

from console.views.output import plain
from console.views.report.comparison import Compared, Period, compare
from console.views.report.picture import draw
from qos.contract.config import Config
from qos.contract.units import format_bps, format_bytes
from qos.store import Reader


def write_report(store: Reader, config: Config, output: Path, period: Period, apps: Sequence[str] = ()) -> list[str]:
    """Draw the picture into ``output`` and say what is in it. Raises ConfigError when there is nothing to draw.

    ``apps`` are globs; empty means ``collector.resources_of``, and when that is empty too the busiest applications.
    """
    compared = compare(store, config, period, apps)
    draw(compared, output)
    return [f"{output}: {', '.join(map(plain, compared.apps))}; the last {period}", *_summary(compared)]


def _summary(compared: Compared) -> list[str]:
    lines = []
    for app in compared.apps:
        cpu = compared.resources.loc[compared.resources["app"] == app]
        net = compared.traffic.loc[compared.traffic["app"] == app]
        words = []
        if len(cpu):
            words.append(f"CPU {cpu['cpu_percent'].mean():.1f} % (most {cpu['cpu_percent'].max():.1f} %)")
            words.append(f"memory {format_bytes(float(cpu['rss_bytes'].mean()))}")
        if len(net):
            words.append(f"{format_bytes(int(net['rx_bytes'].sum()))} received")
            words.append(f"{format_bytes(int(net['tx_bytes'].sum()))} sent")
            words.append(f"most {format_bps(float(net['down_bps'].max()))} down")
        lines.append(f"  {plain(app)}: {', '.join(words)}")
    return lines
