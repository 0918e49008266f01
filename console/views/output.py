"""What the command line writes: JSON for programs, tables for people, and nothing that a process's name can spoil.

Names of processes come from strangers: control characters are replaced before they reach a terminal, and text is never
read as markup. The supervisor uses this too, so rich is imported only where a table is drawn.
"""

import io
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE: Final = 200
"""Columns when the output is no terminal: a pipe must not lose text to an edge that is not there."""


def plain(text: str) -> str:
    """The text with control characters and bidirectional overrides replaced by ``�``."""
    return "".join(c if c.isprintable() else "�" for c in text)


def columns() -> int:
    """How wide a line may be."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE


def console(width: int | None = None) -> "Console":
    """A rich console on standard output as it is now; no markup, no highlighting."""
    from rich.console import Console

    width = width or (None if sys.stdout.isatty() else _WIDE)
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def emit_json(value: Any) -> None:
    """One JSON document on standard output."""
    ascii_only = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=ascii_only, allow_nan=False) + "\n")


def emit_csv(text: str) -> None:
    """One CSV document on standard output: redirected it is UTF-8, since a legacy code page loses names."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)


def say(*lines: str) -> None:
    """Lines on standard output."""
    for line in lines:
        sys.stdout.write(f"{plain(line)}\n")


def folded(lines: Iterable[str], indent: int = 10) -> Iterator[str]:
    """Lines folded at the terminal's edge, the rest indented; as they are when the output is no terminal."""
    if not sys.stdout.isatty():
        yield from lines
        return
    width = max(40, shutil.get_terminal_size().columns)
    for line in lines:
        yield from textwrap.wrap(line, width, subsequent_indent=" " * indent, drop_whitespace=True) or [""]


def warn(*lines: str) -> None:
    """Lines on standard error."""
    for line in lines:
        sys.stderr.write(f"{plain(line)}\n")


def show_whole(grid: "Table") -> None:
    """Print a table whole even where it is wider than the terminal: a cell cut into letters helps nobody."""
    out = console()
    needed = grid.__rich_measure__(out, out.options.update(max_width=10_000)).maximum
    console(max(out.width, needed)).print(grid)


def table(headings: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], *, title: str | None = None) -> "Table":
    """A rich table; ``headings`` are (text, is a number). Numbers stand right and are never cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for heading, number in headings:
        result.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        result.add_row(*(Text(plain(cell)) for cell in row))
    return result
