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
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Static

from console import views
from console.borrowed import borrowed_collector
from console.context import Context, open_context
from console.feed import Feed, Snapshot
from console.live import By, Live, Row, parse_live
from console.output import plain
from console.steering import Steering
from console.top_screens import HelpScreen, LimitRequest, LimitScreen
from qos import clock
from qos.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.units import format_bps

_KEYS: Final = "0-5 priority  d default  l limit  p pause  r report  b app/pid  ? help  q quit"
_SAID_NS: Final = 8 * 10**9
_FIXED: Final = (7, 0, 3, 9, 9, 7, 7)
"""Column widths by ``views.HEADINGS``; 0 is what is left."""


def run_top(config: Path | None, data: Path | None, by: By) -> None:
    """Show the live table until it is left. Without a collector one runs as long as the window."""
    context = open_context(config, data)
    with ExitStack() as stack:
        collector = None
        if not measured_now(context):
            context = open_context(config, data, reading=False)
            collector = stack.enter_context(borrowed_collector(context))
        TopApp(Feed(context, collector), by).run()


def measured_now(context: Context) -> bool:
    """Whether a collector writes into this store."""
    if not context.has_store:
        return False
    with context.reading() as store:
        live = parse_live(store.get_state("live"))
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

    def __init__(self, feed: Feed, by: By) -> None:
        super().__init__()
        self._feed, self._by = feed, by
        self._shown: list[Row] = []
        self._painted: list[tuple[str, ...]] = []
        self._chosen: str | None = None
        self._moved = False
        self._said, self._said_until_ns = "", 0
        self.snapshot = Snapshot(trouble="starting")

    def compose(self) -> ComposeResult:
        """Head, table, a line about the chosen application, a line with the last answer, keys."""
        yield Static(id="head", markup=False)
        table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=False)
        yield table
        yield Static(id="detail", markup=False)
        yield Static(_KEYS, id="keys", markup=False)

    async def on_mount(self) -> None:
        """Start repainting."""
        self._lay_out()
        self.table.focus()
        await self.repaint()
        self.set_interval(1.0, self.repaint)

    @property
    def table(self) -> "DataTable[Text]":
        """The table of applications."""
        return self.query_one("#table", DataTable)

    def on_resize(self, _event: events.Resize) -> None:
        """The application column takes what the numbers leave."""
        self._lay_out()
        self._paint()

    def _lay_out(self) -> None:
        width = self.size.width or 80
        table = self.table
        table.clear(columns=True)
        self._painted = []
        name_width = max(12, min(48, width - sum(_FIXED) - 2 * len(_FIXED) - 2))
        for heading, fixed in zip(views.HEADINGS, _FIXED, strict=True):
            label = Text(heading, justify="left" if heading == "Application" else "right")
            table.add_column(label, width=fixed or name_width)

    async def repaint(self) -> None:
        """Read the present and show it."""
        self.snapshot = await asyncio.to_thread(self._feed.read, clock.wall_ns())
        self._paint()

    def _paint(self) -> None:
        live = self.snapshot.live
        self.query_one("#head", Static).update(Text("\n".join(self._head(live))))
        if live is not None:
            self._shown = list(live.rows(self._by)[: views.MAX_ROWS])
            self._fill(live)
        self._tell_chosen()

    def _head(self, live: Live | None) -> list[str]:
        if live is None:
            return [self.snapshot.trouble, ""]
        width = max(20, self.size.width - 2)
        lines = [*views.headline(live), *views.wrap(views.probe_words(live), width), *views.blind_words(live, width)]
        enforcement = self.snapshot.enforcement
        if enforcement is not None and enforcement.paused:
            lines.append("enforcer PAUSED: p resumes it")
        if self._feed.borrowed:
            lines.append("measuring while this window is open; `autoqos up` keeps on and keeps the history")
        return [line[:width] for line in lines]

    def _fill(self, live: Live) -> None:
        pids = views.busiest_pids(live)
        wanted = [views.cells(row, self._by, pids, self.snapshot.priority(row.app)) for row in self._shown]
        hidden = len(live.rows(self._by)) - len(self._shown)
        if hidden:
            wanted.append(("", f"  … {hidden} more", "", "", "", "", ""))
        wanted.append(views.unattributed_cells(live))
        table = self.table
        while len(self._painted) > len(wanted):
            table.remove_row(table.coordinate_to_cell_key(Coordinate(len(self._painted) - 1, 0)).row_key)
            self._painted.pop()
        for index, cells in enumerate(wanted):
            dim = index >= len(self._shown) or self._shown[index].background
            texts = [_cell(text, column, dim=dim) for column, text in enumerate(cells)]
            if index >= len(self._painted):
                table.add_row(*texts)
                self._painted.append(())
            elif self._painted[index] == (*cells, str(dim)):
                continue
            else:
                for column, text in enumerate(texts):
                    table.update_cell_at(Coordinate(index, column), text)
            self._painted[index] = (*cells, str(dim))
        self._follow()

    def _follow(self) -> None:
        """Keep the cursor on the chosen application while its place changes."""
        places = [row.key for row in self._shown]
        if self._chosen in places:
            row = places.index(self._chosen)
            if row != self.table.cursor_row:
                self.table.move_cursor(row=row, animate=False)

    def on_data_table_row_highlighted(self, event: "DataTable.RowHighlighted") -> None:
        """Remember who the cursor is on; before the first key press that is whoever leads."""
        if self.table.has_focus and 0 <= event.cursor_row < len(self._shown) and self._moved:
            self._chosen = self._shown[event.cursor_row].key
        self._tell_chosen()

    def on_key(self, event: events.Key) -> None:
        """From the first movement on the cursor belongs to an application, not to a place."""
        if event.key in ("up", "down", "pageup", "pagedown", "home", "end"):
            self._moved = True

    def on_mouse_down(self, _event: events.MouseDown) -> None:
        """A click chooses too."""
        self._moved = True

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        index = self.table.cursor_row
        return self._shown[index] if 0 <= index < len(self._shown) else None

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

    def _about(self, row: Row) -> str:
        words = [row.app if row.pid is None or row.name in ("", row.app) else f"{row.app} ({row.name})"]
        policy, by_hand = self.snapshot.policy(row.app), self.snapshot.by_hand.get(row.app)
        if policy is not None and policy.category:
            words.append(policy.category)
        if by_hand is not None:
            words.append(f"by hand: {by_hand}")
        if policy is not None and by_hand is None:
            sides = (("▼", policy.numbers["down_bps"]), ("▲", policy.numbers["up_bps"]))
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
        if (row := self.chosen) is not None:
            self._steer("priority", row.app, level)

    def action_default(self) -> None:
        """d: back to automatic."""
        if (row := self.chosen) is not None:
            self._steer("priority", row.app, None)

    def action_limit(self) -> None:
        """l: ask for rates."""
        if (row := self.chosen) is None:
            return

        def answered(request: LimitRequest | None, app: str = row.app) -> None:
            if request is not None:
                until_ns = clock.wall_ns() + request.span_ns if request.span_ns is not None else None
                self._steer("limit", app, request.down_bps, request.up_bps, until_ns)

        self.push_screen(LimitScreen(row.app), answered)

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
        self._chosen = None
        await self.repaint()

    def action_help(self) -> None:
        """?: the keys and marks."""
        self.push_screen(HelpScreen())

    @work(thread=True, exclusive=True, group="report")
    def action_report(self) -> None:
        """r: the picture of the last hour, into the current folder."""
        from console.report import window_of, write_report

        now_ns = clock.wall_ns()
        try:
            with self._feed.context.reading() as store:
                config = self._feed.context.config
                window = window_of(now_ns - 3600 * 10**9, now_ns, config.interval)
                said = write_report(store, config, Path("qos_report.png"), window)
        except ConfigError as error:
            self.call_from_thread(self.notify, "\n".join(error.lines), severity="error", markup=False)
        except StoreUnavailable as error:
            self.call_from_thread(self.notify, f"store: {error}", severity="error", markup=False)
        else:
            self.call_from_thread(self.say, said)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cell(text: str, column: int, *, dim: bool) -> Text:
    left = views.HEADINGS[column] == "Application"
    return Text(
        text, style="dim" if dim else "", justify="left" if left else "right", no_wrap=True, overflow="ellipsis"
    )
