"""What ``nettop -P -L 1 -x -n`` prints: one line a process, comma-separated, cumulative bytes. Pure.

The columns differ between releases of macOS (with and without a trailing comma, with ``arch`` or not, only some of
them), so they are found by the header line's names. The column without a name is the process: its name, cut at
sixteen characters, a dot and its id. Lines of single connections, which a release prints without ``-P``, have no
process and are passed over.
"""

from dataclasses import dataclass
from typing import Final

_IN: Final = "bytes_in"
_OUT: Final = "bytes_out"


@dataclass(frozen=True, slots=True)
class ProcessBytes:
    """One process's totals since it began."""

    pid: int
    name: str
    rx_bytes: int
    tx_bytes: int


class NotNettopError(ValueError):
    """The text is not what nettop prints; the message says what is missing."""


def parse(text: str) -> tuple[ProcessBytes, ...]:
    """The processes of the last listing in ``text``. Raises NotNettopError."""
    columns: tuple[int, int, int] | None = None
    found: dict[int, ProcessBytes] = {}
    for line in text.splitlines():
        cells = line.strip().split(",")
        if _IN in cells and _OUT in cells:
            columns, found = _columns(cells), {}
        elif columns is not None and (process := _process(cells, columns)) is not None:
            found[process.pid] = process
    if columns is None:
        raise NotNettopError(f"no header line with {_IN} and {_OUT}")
    return tuple(found.values())


def _columns(header: list[str]) -> tuple[int, int, int]:
    named = [n for n, cell in enumerate(header[:-1]) if not cell]
    return (named[0] if named else 1), header.index(_IN), header.index(_OUT)


def _process(cells: list[str], columns: tuple[int, int, int]) -> ProcessBytes | None:
    who, received, sent = columns
    if len(cells) <= max(columns) or "<->" in cells[who]:
        return None
    name, _, pid = cells[who].rpartition(".")
    if not (pid.isascii() and pid.isdigit()) or not name:
        return None
    try:
        return ProcessBytes(int(pid), name.strip(), int(cells[received] or 0), int(cells[sent] or 0))
    except ValueError:
        return None
