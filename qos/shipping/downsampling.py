"""The Flux tasks that keep the coarser buckets, written from the points' own rollups.

InfluxDB 2.x has no other way to downsample on the server. A field keeps its name and its meaning in every bucket
(sums stay sums, levels are means, worst cases are maxima), stamped with its window's start, so the same InfluxQL reads
``"autoqos"."5m"."app_traffic"``. Windows are computed again while late points may still arrive: every run covers the
last hours, and a nightly run the last days, because an outage may deliver a day's points at once. Same series and time
replace the row, so this repeats nothing.

``python -m qos.shipping.downsampling`` writes ``stack/tasks``; a test holds the two together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos.contract.points import SPECS, Rollup

BUCKETS: Final = {"autoqos": "30d", "autoqos/5m": "180d", "autoqos/1h": "730d"}
"""Every bucket with its retention."""


@dataclass(frozen=True, slots=True)
class Task:
    """One Flux task: ``schedule`` is its options' text, ``covers`` how far back it computes."""

    name: str
    schedule: str
    source: str
    target: str
    window: str
    covers: str


TASKS: Final = (
    Task("autoqos-5m", "every: 5m, offset: 1m", "autoqos", "autoqos/5m", "5m", "1h"),
    Task("autoqos-1h", "every: 1h, offset: 8m", "autoqos/5m", "autoqos/1h", "1h", "6h"),
    Task("autoqos-5m-late", 'cron: "20 3 * * *"', "autoqos", "autoqos/5m", "5m", "3d"),
    Task("autoqos-1h-late", 'cron: "50 3 * * *"', "autoqos/5m", "autoqos/1h", "1h", "4d"),
)


def flux(task: Task) -> str:
    """The task's script."""
    parts = [
        f"// {task.target}: windows of {task.window} from {task.source}, the last {task.covers} again on every run.",
        "// Written by `python -m qos.shipping.downsampling`; do not edit.",
        'import "date"',
        "",
        f'option task = {{name: "{task.name}", {task.schedule}}}',
        "",
        f"stop = date.truncate(t: now(), unit: {task.window})",
        f"start = date.sub(from: stop, d: {task.covers})",
    ]
    for rollup in ("sum", "mean", "max", "last"):
        parts += [
            "",
            f'from(bucket: "{task.source}")',
            "    |> range(start: start, stop: stop)",
            "    |> filter(fn: (r) => " + "\n        or ".join(_conditions(rollup)) + ")",
            f'    |> aggregateWindow(every: {task.window}, fn: {rollup}, timeSrc: "_start", createEmpty: false)',
            f'    |> to(bucket: "{task.target}")',
        ]
    return "\n".join(parts) + "\n"


def _conditions(rollup: Rollup) -> Iterator[str]:
    for spec in SPECS.values():
        names = [f.name for f in spec.fields if f.rollup == rollup]
        if names and not spec.local:
            fields = " or ".join(f'r._field == "{name}"' for name in names)
            yield f'(r._measurement == "{spec.name}" and ({fields}))'


def write(folder: Path) -> list[Path]:
    """Write every task; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for task in TASKS:
        file = folder / f"{task.name}.flux"
        file.write_text(flux(task), encoding="utf-8", newline="\n")
        files.append(file)
    return files


if __name__ == "__main__":
    write(Path(__file__).parents[2] / "stack" / "tasks")
