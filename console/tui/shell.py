"""``autoqos shell``: the prompt of the original system. An application's name, then a priority or ``DEFAULT``.

``report``, ``clear_log``, ``help`` and ``exit`` are understood at both questions. Input and output are given, so that
a test can talk to it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from console.steering.actions import Steering
from qos.system import clock

_HELP: Final = (
    "An application's name, then its priority: 0 (critical, never limited) to 5 (background), or DEFAULT (automatic).",
    "report: a picture of CPU, memory and bandwidth · clear_log: empty the resource log · exit: leave",
)
_HOUR_NS: Final = 3600 * 10**9


class Shell:
    """The dialogue. ``input_line`` asks a question and answers None at the end of input."""

    def __init__(
        self,
        steering: Steering,
        input_line: Callable[[str], str | None],
        write: Callable[..., None],
        report: Path = Path(),
    ) -> None:
        self._steering, self._ask, self._write = steering, input_line, write
        self._report = report / "qos_report.png"

    def run(self) -> None:
        """Until ``exit`` or the end of input."""
        self._write(*_HELP)
        while (app := self._word("application> ")) is not None:
            if not app:
                continue
            name, said = self._steering.resolve(app)
            self._write(*said)
            answer = self._word(f"priority of {name} (0-5, DEFAULT)> ")
            if answer is None:
                return
            self._set(name, answer)

    def _word(self, question: str) -> str | None:
        """A word that is no command; commands are done on the way. None: leave. Empty: asked nothing."""
        answer = self._ask(question)
        word = (answer or "").strip()
        if answer is None or word.casefold() in ("exit", "quit"):
            return None
        match word.casefold():
            case "help" | "?":
                self._write(*_HELP)
            case "report":
                self._write_report()
            case "clear_log" | "clear-log":
                self._write(f"resource log emptied: {self._steering.store.delete('app_resources')} rows removed")
            case _:
                return word
        return ""

    def _set(self, app: str, answer: str) -> None:
        if answer.casefold() == "default":
            self._write(*self._steering.priority(app, None))
        elif answer in ("0", "1", "2", "3", "4", "5"):
            self._write(*self._steering.priority(app, int(answer)))
        elif answer:
            self._write(f"{answer!r} is no priority: 0 to 5, or DEFAULT")

    def _write_report(self) -> None:
        from console.views.report.comparison import period_of
        from console.views.report.report import write_report
        from qos.contract.errors import ConfigError

        now_ns = clock.wall_ns()
        config = self._steering.context.config
        try:
            window = period_of(now_ns - _HOUR_NS, now_ns, config.interval)
            self._write(*write_report(self._steering.store, config, self._report, window))
        except ConfigError as error:
            self._write(*error.lines)
