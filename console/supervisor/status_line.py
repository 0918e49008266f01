"""What ``autoqos up`` shows: on a terminal one or two lines that are repainted, elsewhere a plain line now and then."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from console.views.output import plain
from console.views.table_format import lag_words, percent, probe_words
from qos.contract.documents.live import Live
from qos.contract.units import format_bps

_TTY_NS: Final = 10**9
_PLAIN_NS: Final = 60 * 10**9


class Screen(Protocol):
    """Where the supervisor speaks."""

    def say(self, *lines: str) -> None:
        """Lines that stay."""

    def due(self, now_ns: int) -> bool:
        """Whether the status should be shown again (monotonic ns)."""

    def show(self, live: Live | None, parts: Mapping[str, str], now_ns: int) -> None:
        """The status now (UTC ns)."""


def status_lines(live: Live | None, parts: Mapping[str, str], now_ns: int, width: int) -> tuple[str, str]:
    """Rates, latency and coverage, then the busiest application and the parts: two lines of at most ``width``."""
    troubled = [f"{name} {state}" for name, state in parts.items() if state != "running"]
    if live is None or not live.fresh(now_ns):
        first = "no measurement yet"
        second = ", ".join(troubled) or "starting"
        return first[:width], second[:width]
    total = live.host_traffic
    first = f"▼ {format_bps(total.rx_bps)}  ▲ {format_bps(total.tx_bps)}  coverage {percent(live.coverage)}"
    for words in probe_words(live):
        if len(first) + 3 + len(words) > width:
            break
        first += f"   {words}"
    busiest = max(live.apps, key=lambda row: row.rx_bps + row.tx_bps, default=None)
    second = lag_words(live) or "idle"
    if live.lag is None and busiest is not None and busiest.rx_bps + busiest.tx_bps > 0:
        second = f"top: {busiest.app} ▼ {format_bps(busiest.rx_bps)} ▲ {format_bps(busiest.tx_bps)}"
    second += f"   capture {live.backend}" + (f", {live.lost} lost" if live.lost else "")
    if troubled:
        second += f"   {', '.join(troubled)}"
    return plain(first)[:width], plain(second)[:width]


class PlainScreen:
    """No terminal: a line a minute."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._next_ns: int | None = None

    def say(self, *lines: str) -> None:
        """To standard error, so that a service's log has everything."""
        sys.stderr.write("".join(f"{plain(line)}\n" for line in lines))
        sys.stderr.flush()

    def due(self, now_ns: int) -> bool:
        """Once a minute, first after ten seconds."""
        if self._next_ns is None:
            self._next_ns = now_ns + _PLAIN_NS // 6
        if self._quiet or now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + _PLAIN_NS
        return True

    def show(self, live: Live | None, parts: Mapping[str, str], now_ns: int) -> None:
        """One line on standard output."""
        sys.stdout.write("   ".join(status_lines(live, parts, now_ns, 400)) + "\n")
        sys.stdout.flush()


class LiveScreen:
    """A terminal: two lines at its bottom, repainted every second; what is said scrolls above them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.text import Text

        self._text = Text
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._next_ns = 0

    def start(self) -> None:
        """Take the terminal's bottom."""
        self._live.start()

    def stop(self) -> None:
        """Give it back."""
        self._live.stop()

    def say(self, *lines: str) -> None:
        """Above the status."""
        for line in lines:
            self._console.print(self._text(plain(line)))

    def due(self, now_ns: int) -> bool:
        """Once a second."""
        if now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + _TTY_NS
        return True

    def show(self, live: Live | None, parts: Mapping[str, str], now_ns: int) -> None:
        """Repaint the two lines."""
        lines = status_lines(live, parts, now_ns, self._console.width)
        self._live.update(self._text("\n".join(lines)), refresh=True)


@contextmanager
def open_screen(*, quiet: bool) -> Iterator[Screen]:
    """The screen that fits standard output."""
    if quiet or not sys.stdout.isatty():
        yield PlainScreen(quiet=quiet)
        return
    screen = LiveScreen()
    screen.start()
    try:
        yield screen
    finally:
        screen.stop()
