"""The service on Linux: a systemd unit, made, started and taken away by ``systemctl``."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console.service import payload
from console.service.layout import LINUX, NAME, Layout
from console.service.migration import migrate
from console.service.settings import write_settings
from console.service.systemd_unit import unit
from qos.contract.errors import ConfigError
from qos.system.elevation import elevated, how_to

UNIT: Final = Path("/etc/systemd/system") / f"{NAME}.service"
_TIMEOUT_S: Final = 90.0


class SystemdService:
    """See ``system.Service``."""

    def __init__(self, layout: Layout = LINUX, unit_path: Path = UNIT) -> None:
        self._layout, self._unit = layout, unit_path

    def install(self, config: Path | None) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        done = self._prepare(config)
        self._systemctl("enable", NAME)
        self._systemctl("restart", NAME)
        return [*done, f"{NAME}.service runs now and after every start of this computer; data in {self._layout.data}"]

    def _prepare(self, config: Path | None) -> list[str]:
        program = Path(self._layout.program)
        payload.install(program)
        done = [f"program: {program}", *write_settings(Path(self._layout.config), config)]
        self._unit.parent.mkdir(parents=True, exist_ok=True)
        self._unit.write_text(unit(self._layout), encoding="utf-8")
        self._systemctl("daemon-reload")
        return [*done, f"unit: {self._unit}"]

    def upgrade(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        if not self._unit.exists():
            raise ConfigError("service: not installed: type `autoqos service install`")
        self._systemctl("stop", NAME)
        try:
            done = self._prepare(None)
            done += migrate(Path(self._layout.data), Path(self._layout.config))
        finally:
            self._systemctl("start", NAME)
        return [*done, f"{NAME}.service runs this version now"]

    def remove(self) -> list[str]:
        """See ``system.Service``."""
        self._needs()
        if self._unit.exists():
            self._systemctl("disable", "--now", NAME)
            self._unit.unlink()
            self._systemctl("daemon-reload")
        payload.remove(Path(self._layout.program))
        kept = f"settings ({self._layout.config}) and data ({self._layout.data}) stay: delete them if you like"
        return [f"{NAME}.service and {self._layout.program} are gone", kept]

    def status(self) -> tuple[int, str]:
        """See ``system.Service``."""
        self._systemd()
        done = _run(["systemctl", "status", "--no-pager", "--lines=0", NAME])
        return done.returncode, done.stdout or done.stderr

    def logs(self, lines: int) -> str:
        """See ``system.Service``."""
        self._systemd()
        done = _run(["journalctl", "--no-pager", "--unit", NAME, "--lines", str(lines)])
        return done.stdout or done.stderr

    def _needs(self) -> None:
        if not elevated():
            raise ConfigError(f"service: needs root: {how_to()}")
        self._systemd()

    def _systemd(self) -> None:
        if shutil.which("systemctl") is None or not os.path.isdir("/run/systemd/system"):
            raise ConfigError("service: systemd does not run here: start `autoqos up` by this system's own means")

    def _systemctl(self, *arguments: str) -> None:
        done = _run(["systemctl", *arguments])
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise ConfigError(f"service: systemctl {' '.join(arguments)}: {' '.join(words)[:300]}")


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"service: {command[0]}: {error}") from None
