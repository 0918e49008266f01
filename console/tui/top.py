"""``autoqos top``: the live table, repainted every second, from which applications are given levels and limits.

The screen only: what is shown comes from ``feed``, its words from ``views``, and what is pressed goes to ``steering``.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Final

from rich.text import Text
from textual import events, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from console.commands.context import Context, open_context
from console.steering import overrides
from console.steering.actions import Steering
from console.supervisor.temporary_collector import temporary_collector
from console.tui.feed import LiveFeed, Snapshot
from console.tui.top_screens import HelpScreen, LimitRequest, LimitScreen
from console.tui.top_table import AppTable
from console.views import table_format as views
from console.views.output import plain
from qos.contract.documents.live import By, Live, LiveRow
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.contract.units import format_bps
from qos.system import clock

_KEYS: Final = "0-5 priority  d default  l limit  p pause  r report  b app/pid  ? help  q quit"
_SAID_NS: Final = 8 * 10**9


def run_top(config: Path | None, data: Path | None, by: By) -> None:
    """Show the live table until it is left. Without a collector one runs as long as the window."""
    context = open_context(config, data)
    with ExitStack() as stack:
        collector = None
        if not measured_now(context):
            context = open_context(config, data, reading=False)
            collector = stack.enter_context(temporary_collector(context))
        TopApp(LiveFeed(context, collector), by).run()


def measured_now(context: Context) -> bool:
    """Whether a collector writes into this store."""
    if not context.has_store:
        return False
    with context.reading() as store:
        live = Live.parse(store.get_state(Live.KEY))
    return live is not None and live.fresh(clock.wall_ns())


class TopApp(App[None]):
    """The window."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "AutoQoS"
    CSS = """
    #head { height: auto; padding: 0 1; }
    #table { height: 1fr; scrollbar-size-horizontal: 0; }
    #detail { height: 2; padding: 0 1; color: $text-muted; }
    #keys { height: 1; padding: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(level), f"level({level})", f"Priority {level}", show=False) for level in range(6)),
        Binding("d", "default", "Automatic priority"),
        Binding("l", "limit", "Limit"),
        Binding("p", "pause", "Pause or resume the enforcer"),
        Binding("r", "report", "Write the report"),
        Binding("b", "by", "Per application or process"),
        Binding("question_mark,h", "help", "Help"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", priority=True),
    ]

    def __init__(self, feed: LiveFeed, by: By) -> None:
        super().__init__()
        self._feed, self._by = feed, by
        self._said, self._said_until_ns = "", 0
        self.snapshot = Snapshot(trouble="starting")

    def compose(self) -> ComposeResult:
        """Head, table, a line about the chosen application, a line with the last answer, keys."""
        yield Static(id="head", markup=False)
        yield AppTable()
        yield Static(id="detail", markup=False)
        yield Static(_KEYS, id="keys", markup=False)

    async def on_mount(self) -> None:
        """Start repainting."""
        self.table.lay_out(self.size.width)
        self.table.focus()
        await self.repaint()
        self.set_interval(1.0, self.repaint)

    @property
    def table(self) -> AppTable:
        """The table of applications."""
        return self.query_one(AppTable)

    @property
    def chosen(self) -> LiveRow | None:
        """The row under the cursor."""
        return self.table.chosen

    def on_resize(self, _event: events.Resize) -> None:
        """The application column takes what the numbers leave."""
        self.table.lay_out(self.size.width)
        self._paint()

    async def repaint(self) -> None:
        """Read the present and show it."""
        self.snapshot = await asyncio.to_thread(self._feed.read, clock.wall_ns())
        self._paint()

    def _paint(self) -> None:
        live = self.snapshot.live
        self.query_one("#head", Static).update(Text("\n".join(self._head(live))))
        if live is not None:
            self.table.show(live, self._by, self.snapshot.priority)
        else:
            self.table.empty()
        self._tell_chosen()

    def _head(self, live: Live | None) -> list[str]:
        if live is None:
            return [self.snapshot.trouble, ""]
        width = max(20, self.size.width - 2)
        lines = [*views.headline(live), *views.wrap(views.probe_words(live), width), *views.blind_words(live, width)]
        if words := views.lag_words(live):
            lines.insert(0, words)
        enforcement = self.snapshot.enforcement
        if enforcement is not None and enforcement.paused:
            lines.append("enforcer PAUSED: p resumes it")
        if self._feed.temporary:
            lines.append("measuring while this window is open; `autoqos up` keeps on and keeps the history")
        return [line[:width] for line in lines]

    def on_data_table_row_highlighted(self, _event: "DataTable.RowHighlighted") -> None:
        """Say who the cursor is on."""
        self._tell_chosen()

    def _tell_chosen(self) -> None:
        row = self.chosen
        width = max(20, self.size.width - 2)
        about = self._about(row) if row is not None else ""
        if clock.monotonic_ns() >= self._said_until_ns:
            self._said = ""
        enforcement = self.snapshot.enforcement
        said = self._said or (enforcement.note() if enforcement is not None else None) or ""
        self.query_one("#detail", Static).update(Text("\n".join(_cut(plain(line), width) for line in (about, said))))

    def say(self, lines: Sequence[str]) -> None:
        """Show an answer for a while, in the line under the table."""
        self._said = " · ".join(lines)
        self._said_until_ns = clock.monotonic_ns() + _SAID_NS
        self._tell_chosen()

    def _about(self, row: LiveRow) -> str:
        words = [row.app if row.pid is None or row.name in ("", row.app) else f"{row.app} ({row.name})"]
        policy, by_hand = self.snapshot.policy(row.app), self.snapshot.by_hand.get(row.app)
        if policy is not None and policy.category:
            words.append(policy.category)
        if by_hand is not None:
            words.append(f"by hand: {overrides.words(by_hand)}")
        if policy is not None and by_hand is None:
            sides = (("▼", policy.down_bps), ("▲", policy.up_bps))
            words += [f"limit {mark} {format_bps(bps)}" for mark, bps in sides if bps is not None]
        words.append(f"{row.flows} flow{'s' if row.flows != 1 else ''}")
        if row.background:
            words.append(views.LEGEND.removeprefix(f"{views.BACKGROUND} "))
        return " · ".join(words)

    def _steer(self, act: str, *arguments: object) -> None:
        """Do one of ``Steering``'s acts and show its answer; what goes wrong is an answer too."""
        try:
            with Steering(self._feed.context) as steering:
                said: list[str] = getattr(steering, act)(*arguments)
        except ConfigError as error:
            self.notify("\n".join(error.lines), severity="error", markup=False)
        except (StoreUnavailable, StoreRejected) as error:
            self.notify(f"store: {error}", severity="error", markup=False)
        else:
            self.say(said)
        self.call_later(self.repaint)

    def action_level(self, level: int) -> None:
        """0-5: the chosen application's priority."""
        if (row := self.table.choose()) is not None:
            self._steer("priority", row.app, level)

    def action_default(self) -> None:
        """d: back to automatic."""
        if (row := self.table.choose()) is not None:
            self._steer("priority", row.app, None)

    def action_limit(self) -> None:
        """l: ask for rates."""
        if (row := self.table.choose()) is None:
            return

        def answered(request: LimitRequest | None, app: str = row.app) -> None:
            if request is not None:
                until_ns = clock.wall_ns() + request.span_ns if request.span_ns is not None else None
                self._steer("limit", app, request.down_bps, request.up_bps, until_ns)

        by_hand = self.snapshot.by_hand.get(row.app)
        rates = (by_hand.down_bps, by_hand.up_bps) if by_hand is not None else (None, None)
        self.push_screen(LimitScreen(row.app, *rates), answered)

    def action_pause(self) -> None:
        """p: the whole enforcer off, or on again."""
        enforcement = self.snapshot.enforcement
        if enforcement is not None and enforcement.paused:
            self._steer("resume")
        else:
            self._steer("pause", None)

    async def action_by(self) -> None:
        """b: a row per application or per process."""
        self._by = "pid" if self._by == "app" else "app"
        self.table.forget()
        await self.repaint()

    def action_help(self) -> None:
        """?: the keys and marks."""
        self.push_screen(HelpScreen())

    @work(thread=True, exclusive=True, group="report")
    def action_report(self) -> None:
        """r: the picture of the last hour, into the current folder."""
        from console.views.report.comparison import period_of
        from console.views.report.report import write_report

        now_ns = clock.wall_ns()
        try:
            with self._feed.context.reading() as store:
                config = self._feed.context.config
                window = period_of(now_ns - 3600 * 10**9, now_ns, config.interval)
                said = write_report(store, config, Path("qos_report.png"), window)
        except ConfigError as error:
            self.call_from_thread(self.notify, "\n".join(error.lines), severity="error", markup=False)
        except StoreUnavailable as error:
            self.call_from_thread(self.notify, f"store: {error}", severity="error", markup=False)
        else:
            self.call_from_thread(self.say, said)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
