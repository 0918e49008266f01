"""The service on Windows: a scheduled task, made, started and taken away by ``schtasks``. Run under Wine only."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console.service import layout, payload
from console.service.migration import migrate
from console.service.scheduled_task import task
from console.service.settings import write_settings
from qos.contract.errors import ConfigError
from qos.system.elevation import elevated, how_to

_TIMEOUT_S: Final = 60.0


class ScheduledTask:
    """See ``system.Service``."""

    def __init__(self) -> None:
        self._layout = layout.windows(
            os.environ.get("PROGRAMFILES", r"C:\Program Files"), os.environ.get("PROGRAMDATA", r"C:\ProgramData")
        )

    def install(self, config: Path | None) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        done = self._prepare(config)
        user = f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "autoqos.xml"
            file.write_text(task(self._layout, user), encoding="utf-16")
            _ask("/create", "/tn", layout.TASK, "/xml", str(file), "/f")
        _ask("/run", "/tn", layout.TASK)
        return [*done, f"the task {layout.TASK} runs now and after every logon; data in {self._layout.data}"]

    def _prepare(self, config: Path | None) -> list[str]:
        program = Path(self._layout.program)
        payload.install(program)
        return [f"program: {program}", *write_settings(Path(self._layout.config), config)]

    def upgrade(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        if _run(["schtasks", "/query", "/tn", layout.TASK]).returncode:
            raise ConfigError("service: not installed: type `autoqos service install`")
        _run(["schtasks", "/end", "/tn", layout.TASK])
        try:
            done = self._prepare(None)
            done += migrate(Path(self._layout.data), Path(self._layout.config))
        finally:
            _ask("/run", "/tn", layout.TASK)
        return [*done, f"the task {layout.TASK} runs this version now"]

    def remove(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        _run(["schtasks", "/end", "/tn", layout.TASK])
        _run(["schtasks", "/delete", "/tn", layout.TASK, "/f"])
        shutil.rmtree(Path(self._layout.program), ignore_errors=True)
        kept = f"settings ({self._layout.config}) and data ({self._layout.data}) stay: delete them if you like"
        return [f"the task {layout.TASK} and {self._layout.program} are gone", kept]

    def status(self) -> tuple[int, str]:
        """See ``system.Service``."""
        done = _run(["schtasks", "/query", "/tn", layout.TASK, "/fo", "LIST", "/v"])
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


def _ask(*arguments: str) -> None:
    done = _run(["schtasks", *arguments])
    if done.returncode:
        raise ConfigError(f"service: schtasks {arguments[0]}: {(done.stderr or done.stdout).strip()[:300]}")


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"service: {command[0]}: {error}") from None
