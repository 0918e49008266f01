"""One incident drawn in the terminal: round trips above, bits per application below, the incident marked between."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from console.views.lag.around import Around
from console.views.output import plain
from console.views.table_format import rate
from console.views.times import local_time

HEIGHT: Final = 7
LEFT: Final = 10
_PARTS: Final = " ▁▂▃▄▅▆▇█"


def lines(around: Around, width: int = 80) -> Iterator[str]:
    """At most ``width`` columns."""
    columns = max(20, width - LEFT - 1)
    values, lost = _latency(around, columns)
    top = max([value for value in values if value is not None], default=1.0) or 1.0
    yield "round trips, ms (× no answer)"
    for row in range(HEIGHT, 0, -1):
        label = f"{top * row / HEIGHT:.0f}" if row in (HEIGHT, (HEIGHT + 1) // 2) else "0" if row == 1 else ""
        cells = "".join(_cell(value, top, row, missing=row == 1 and lost[at]) for at, value in enumerate(values))
        yield f"{label:>{LEFT - 1}} {cells}".rstrip()
    yield " " * LEFT + _marks(around, columns)
    begin, end = local_time(around.start_ns), local_time(around.stop_ns)
    yield f"{' ' * LEFT}{begin}{end:>{columns - len(begin)}}"
    yield f"{'download' if around.direction == 'down' else 'upload'}, bit/s"
    for app, points in around.rates.items():
        bins = _bins(points, around, columns)
        most = max(bins) or 1.0
        spark = "".join(_PARTS[min(8, round(8 * value / most))] for value in bins)
        name = plain(app)[: LEFT - 2]
        mark = "▶" if app == around.incident.app else " "
        yield f"{mark}{name:<{LEFT - 1}}{spark}".rstrip()
        yield f"{' ' * LEFT}at most {rate(most)}bit/s"


def _cell(value: float | None, top: float, row: int, *, missing: bool) -> str:
    if value is None:
        return "×" if missing else " "
    filled = value / top * HEIGHT - (row - 1)
    return _PARTS[max(0, min(8, round(8 * filled)))]


def _place(at_ns: int, around: Around, columns: int) -> int:
    return min(columns - 1, max(0, (at_ns - around.start_ns) * columns // (around.stop_ns - around.start_ns)))


def _latency(around: Around, columns: int) -> tuple[list[float | None], list[bool]]:
    cells: list[list[float]] = [[] for _ in range(columns)]
    lost = [False] * columns
    for target, points in around.rtts.items():
        for at_ns, ms in points if target != "gateway" else ():
            if ms is None:
                lost[_place(at_ns, around, columns)] = True
            else:
                cells[_place(at_ns, around, columns)].append(ms)
    return [median(cell) if cell else None for cell in cells], lost


def _bins(points: Sequence[tuple[int, float]], around: Around, columns: int) -> list[float]:
    bins = [0.0] * columns
    for at_ns, bps in points:
        place = _place(at_ns, around, columns)
        bins[place] = max(bins[place], bps)
    return bins


def _marks(around: Around, columns: int) -> str:
    first = _place(around.incident.start_ns, around, columns)
    last = _place(around.incident.stop_ns, around, columns)
    return "─" * first + "█" * (last - first + 1) + "─" * (columns - last - 1)
