"""The table of the live window: rows repainted in place, the cursor on an application and not on a place."""

from collections.abc import Callable
from typing import Final

from rich.text import Text
from textual import events
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from console.views import table_format as views
from qos.contract.documents.live import By, Live, LiveRow

_FIXED: Final = (7, 0, 3, 9, 9, 7, 7)
"""Column widths by ``views.HEADINGS``; 0 is what is left."""


class AppTable(DataTable[Text]):
    """Applications or processes. Only cells that changed are painted, so that a slow line (SSH) carries little."""

    def __init__(self) -> None:
        super().__init__(id="table", cursor_type="row", zebra_stripes=False)
        self._shown: list[LiveRow] = []
        self._painted: list[tuple[str, ...]] = []
        self._chosen: str | None = None
        self._moved = False

    @property
    def chosen(self) -> LiveRow | None:
        """The row under the cursor."""
        index = self.cursor_row
        return self._shown[index] if 0 <= index < len(self._shown) else None

    def choose(self) -> LiveRow | None:
        """The row under the cursor, which from now on keeps the cursor while its place changes."""
        row = self.chosen
        if row is not None:
            self._moved, self._chosen = True, row.key
        return row

    def forget(self) -> None:
        """The cursor belongs to nobody: other rows follow."""
        self._moved, self._chosen = False, None

    def lay_out(self, width: int) -> None:
        """Make the columns for a window of ``width``: the application's takes what the numbers leave."""
        self.clear(columns=True)
        self._painted = []
        name_width = max(12, min(48, width - sum(_FIXED) - 2 * len(_FIXED) - 2))
        for heading, fixed in zip(views.HEADINGS, _FIXED, strict=True):
            label = Text(heading, justify="left" if heading == "Application" else "right")
            self.add_column(label, width=fixed or name_width)

    def show(self, live: Live, by: By, priority: Callable[[str], int | None]) -> None:
        """Paint the present. ``priority`` is an application's level as the enforcer knows it."""
        rows = live.rows(by)
        self._shown = list(rows[: views.MAX_ROWS])
        pids = views.busiest_pids(live)
        wanted = [views.cells(row, by, pids, priority(row.app)) for row in self._shown]
        if len(rows) > len(self._shown):
            wanted.append(("", f"  … {len(rows) - len(self._shown)} more", "", "", "", "", ""))
        wanted.append(views.unattributed_cells(live))
        while len(self._painted) > len(wanted):
            self.remove_row(self.coordinate_to_cell_key(Coordinate(len(self._painted) - 1, 0)).row_key)
            self._painted.pop()
        for index, cells in enumerate(wanted):
            self._paint(index, cells, dim=index >= len(self._shown) or self._shown[index].background)
        self._follow()

    def empty(self) -> None:
        """Nobody measures: old numbers are not the present."""
        self.clear()
        self._shown, self._painted = [], []

    def _paint(self, index: int, cells: tuple[str, ...], *, dim: bool) -> None:
        key = (*cells, str(dim))
        if index < len(self._painted) and self._painted[index] == key:
            return
        texts = [_cell(text, column, dim=dim) for column, text in enumerate(cells)]
        if index >= len(self._painted):
            self.add_row(*texts)
            self._painted.append(key)
            return
        for column, text in enumerate(texts):
            self.update_cell_at(Coordinate(index, column), text)
        self._painted[index] = key

    def _follow(self) -> None:
        places = [row.key for row in self._shown]
        if self._chosen in places and places.index(self._chosen) != self.cursor_row:
            self.move_cursor(row=places.index(self._chosen), animate=False)

    def on_data_table_row_highlighted(self, event: "DataTable.RowHighlighted") -> None:
        """Remember who the cursor is on; before the first movement that is whoever leads."""
        if self._moved and 0 <= event.cursor_row < len(self._shown):
            self._chosen = self._shown[event.cursor_row].key

    def on_key(self, event: events.Key) -> None:
        """From the first movement on the cursor belongs to an application, not to a place."""
        if event.key in ("up", "down", "pageup", "pagedown", "home", "end"):
            self._moved = True

    def on_mouse_down(self, _event: events.MouseDown) -> None:
        """A click chooses too."""
        self._moved = True


def _cell(text: str, column: int, *, dim: bool) -> Text:
    left = views.HEADINGS[column] == "Application"
    return Text(
        text, style="dim" if dim else "", justify="left" if left else "right", no_wrap=True, overflow="ellipsis"
    )
