"""A progress bar on standard error, and nothing there when nobody looks."""

import sys
from types import TracebackType
from typing import Any


class ProgressBar:
    """One bar over all trainings; epochs move it within one. A context manager."""

    def __init__(self, title: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task: Any = self._progress.add_task(title, total=total)
        self._done = -1.0

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def next(self, text: str) -> None:
        """One more training begins."""
        self._done += 1
        self._progress.update(self._task, description=text, completed=self._done)

    def part(self, done: int, of: int) -> None:
        """So much of the present one is done."""
        self._progress.update(self._task, completed=self._done + min(done / max(of, 1), 1.0) * 0.95)
