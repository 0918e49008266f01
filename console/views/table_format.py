"""The live table's words and numbers, the same for ``top``, ``top --once`` and the status line. Pure; 80 columns.

Rates are short (``12.3 M`` under a heading that says bit/s), totals are megabytes since monitoring started.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from console.views.output import plain
from console.views.times import local_time, rough_span
from qos.contract.documents.live import By, Live, LiveRow
from qos.contract.units import format_bps

BACKGROUND: Final = "◦"
"""Marks hidden background processes: services, daemons, no window and no terminal."""
LEGEND: Final = f"{BACKGROUND} background: no window, no terminal"
HEADINGS: Final = ("PID", "Application", "Pri", "Recv MB", "Sent MB", "▼ bit/s", "▲ bit/s")
MAX_ROWS: Final = 300
CAUSES: Final[Mapping[str, str]] = {
    "application": "an application",
    "unnamed": "unnamed traffic of this computer",
    "others": "another device or the provider",
    "provider": "the provider: nothing comes back",
    "local_network": "Wi-Fi or the local network",
    "target": "one target's own path",
    "own_limit": "AutoQoS's own limit",
    "unknown": "not known yet",
}
"""The causes of ``lag_incident`` for people."""


def rate(bps: float) -> str:
    """Bits per second in at most seven characters: ``0``, ``640``, ``12.3 k``, ``999.9 M``."""
    if round(bps) < 1000:
        return f"{bps:.0f}"
    for unit in ("k", "M", "G"):
        bps /= 1000
        if round(bps, 1) < 1000:
            return f"{bps:.1f} {unit}"
    return f"{bps / 1000:.1f} T"


def megabytes(size: int) -> str:
    """Bytes as megabytes (decimal), as many digits as fit nine characters: ``0.00``, ``12.34``, ``1234.5``."""
    value = size / 1e6
    return f"{value:.2f}" if value < 1000 else f"{value:.1f}" if value < 100_000 else f"{value:.0f}"


def percent(ratio: float | None) -> str:
    """A ratio as ``99.2 %``; ``?`` when it is not known."""
    return "?" if ratio is None else f"{100 * ratio:.1f} %"


def application(row: LiveRow, by: By) -> str:
    """The name with its mark, and how many processes stand behind it."""
    count = f" ×{row.processes}" if by == "app" and row.processes > 1 else ""
    return plain(f"{BACKGROUND if row.background else ' '} {row.app}{count}")


def cells(row: LiveRow, by: By, pids: Mapping[str, int], priority: int | None = None) -> tuple[str, ...]:
    """A row of the table. ``pids`` names the busiest process of an application."""
    pid = row.pid if row.pid is not None else pids.get(row.app)
    level = row.priority if priority is None else priority
    return (
        "" if pid is None else str(pid),
        application(row, by),
        "" if level is None else str(level),
        megabytes(row.rx_bytes),
        megabytes(row.tx_bytes),
        rate(row.rx_bps),
        rate(row.tx_bps),
    )


def busiest_pids(live: Live) -> dict[str, int]:
    """Of each application the process that received most."""
    return {row.app: row.pid for row in reversed(live.rows("pid")) if row.pid is not None}


def unattributed_cells(live: Live) -> tuple[str, ...]:
    """The bytes that nobody could be named for, as a row of the table."""
    rest = live.unattributed
    return (
        "",
        "  (unattributed)",
        "",
        megabytes(rest.rx_bytes),
        megabytes(rest.tx_bytes),
        rate(rest.rx_bps),
        rate(rest.tx_bps),
    )


def headline(live: Live) -> tuple[str, str]:
    """What is measured and how well, then the host's rates: two lines."""
    lost = f" · lost {live.lost}" if live.lost else ""
    since = rough_span(live.time_ns - live.started_ns)
    return (
        plain(f"{live.host} · capture {live.backend} · coverage {percent(live.coverage)}{lost}"),
        f"▼ {format_bps(live.host_traffic.rx_bps)}   ▲ {format_bps(live.host_traffic.tx_bps)}"
        f"   since {local_time(live.started_ns)} ({since})",
    )


def lag_words(live: Live) -> str:
    """The incident of lag that goes on now, and what would help; empty when there is none."""
    lag = live.lag
    if lag is None:
        return ""
    bad = f"+{lag.extra_ms:.0f} ms" if lag.extra_ms >= 1 else f"{lag.loss_ratio:.0%} lost"
    side = {"down": " (download)", "up": " (upload)"}.get(lag.direction, "")
    who = f"{lag.app}{side}" if lag.app else CAUSES.get(lag.cause, lag.cause)
    help_words = f"; `{lag.advice}` helps" if lag.advice else ""
    return plain(f"LAG {bad} since {local_time(lag.onset_ns)}: {who}{help_words}")


def probe_words(live: Live) -> tuple[str, ...]:
    """Per target: latency and loss, or why there is none."""
    words = []
    for probe in live.probes:
        loss = "" if probe.loss_ratio is None or not probe.sent else f" loss {100 * probe.loss_ratio:.0f}%"
        answer = f"{probe.rtt_ms:.1f} ms" if probe.ok and probe.rtt_ms is not None else probe.reason or "no answer"
        if probe.kind != "icmp" and probe.ok:
            answer += f" ({probe.kind})"
        words.append(plain(f"{probe.target} {answer}{loss}"))
    return tuple(words)


def wrap(words: Sequence[str], width: int, gap: str = "   ") -> list[str]:
    """Words joined into lines of at most ``width`` columns; one longer than that stands alone, cut."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(gap) + len(word) <= width:
            lines[-1] += gap + word
        else:
            lines.append(word[:width])
    return lines


def blind_words(live: Live, width: int, most: int = 2) -> list[str]:
    """What this capture cannot see, in at most so many lines of ``width`` columns; cut at the last with an ellipsis."""
    if not live.blind_to:
        return []
    lines = textwrap.wrap(plain(f"not seen: {'; '.join(live.blind_to)}"), width, subsequent_indent="  ")
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][: width - 2]} …"]
    return lines
