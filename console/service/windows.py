"""The service on Windows: a scheduled task, made, started and taken away by ``schtasks``.

Nobody has run it on Windows. Its folders are asked of the system, and the one for data is made with its access list
before anything is written to it (docs/decisions/0051): everybody may make folders and files in ``%ProgramData%``.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console.service import payload
from console.service.layout import TASK, Layout, windows
from console.service.migration import migrate
from console.service.scheduled_task import task
from console.service.settings import write_settings
from qos.contract.errors import ConfigError
from qos.service.datadir import make_data_dir
from qos.system.elevation import elevated, how_to

_ENCODING: Final = "oem" if sys.platform == "win32" else "utf-8"
"""``schtasks`` writes in the console's code page, in which bytes stand that the other one does not know."""
_TIMEOUT_S: Final = 60.0


class ScheduledTask:
    """See ``system.Service``."""

    def __init__(self) -> None:
        self._layout = _layout()

    def install(self, config: Path | None) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        done = self._prepare(config)
        user = f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "autoqos.xml"
            file.write_text(task(self._layout, user), encoding="utf-16")
            _ask("/create", "/tn", TASK, "/xml", str(file), "/f")
        _ask("/run", "/tn", TASK)
        return [*done, f"the task {TASK} runs now and after every logon; data in {self._layout.data}"]

    def _prepare(self, config: Path | None) -> list[str]:
        program = Path(self._layout.program)
        payload.install(program)
        make_data_dir(Path(self._layout.data))
        return [f"program: {program}", *write_settings(Path(self._layout.config), config)]

    def upgrade(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        if run(["schtasks", "/query", "/tn", TASK]).returncode:
            raise ConfigError("service: not installed: type `autoqos service install`")
        run(["schtasks", "/end", "/tn", TASK])
        try:
            done = self._prepare(None)
            done += migrate(Path(self._layout.data), Path(self._layout.config))
        finally:
            _ask("/run", "/tn", TASK)
        return [*done, f"the task {TASK} runs this version now"]

    def remove(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        run(["schtasks", "/end", "/tn", TASK])
        run(["schtasks", "/delete", "/tn", TASK, "/f"])
        payload.remove(Path(self._layout.program))
        kept = f"settings ({self._layout.config}) and data ({self._layout.data}) stay: delete them if you like"
        return [f"the task {TASK} and {self._layout.program} are gone", kept]

    def status(self) -> tuple[int, str]:
        """See ``system.Service``."""
        done = run(["schtasks", "/query", "/tn", TASK, "/fo", "LIST", "/v"])
        return done.returncode, done.stdout or done.stderr

    def logs(self, lines: int) -> str:
        """See ``system.Service``."""
        log = Path(self._layout.log)
        try:
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(f"{log}: cannot be read ({error.strerror}): does the task run?") from None
        return "\n".join(text.splitlines()[-lines:])

    def _needs(self) -> None:
        if not elevated():
            raise ConfigError(f"service: needs an administrator: {how_to()}")


def _layout() -> Layout:
    if sys.platform == "win32":
        from qos.service.private_folder_windows import system_folder
        from qos.system.known_folders_windows import program_files

        return windows(str(program_files()), str(system_folder()))
    raise ConfigError("service: scheduled tasks are Windows'")


def _ask(*arguments: str) -> None:
    done = run(["schtasks", *arguments])
    if done.returncode:
        raise ConfigError(f"service: schtasks {arguments[0]}: {(done.stderr or done.stdout).strip()[:300]}")


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """A command of the system's, and its words whatever their bytes. Raises ConfigError."""
    try:
        return subprocess.run(
            command, capture_output=True, encoding=_ENCODING, errors="replace", check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"service: {command[0]}: {error}") from None
