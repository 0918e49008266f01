"""The service of this system: the same five verbs on both. Chosen once."""

import sys
from pathlib import Path
from typing import Protocol

from qos.contract.errors import ConfigError


class Service(Protocol):
    """Raises ConfigError with what to do when the system refuses."""

    def install(self, config: Path | None) -> list[str]:
        """Copy the program, write settings where there are none, describe the service, start it; what was done."""

    def upgrade(self) -> list[str]:
        """Stop, replace the program's copy by this version, bring the store up to date, start."""

    def remove(self) -> list[str]:
        """Stop and take away everything but settings and data; what was done and what stays."""

    def status(self) -> tuple[int, str]:
        """Exit status (0: runs) and the system's own words."""

    def logs(self, lines: int) -> str:
        """The last lines."""


def service() -> Service:
    """This system's. Raises ConfigError where there is none."""
    if sys.platform == "win32":
        from console.service.windows import ScheduledTask

        return ScheduledTask()
    if sys.platform == "linux":
        from console.service.linux import SystemdService

        return SystemdService()
    raise ConfigError("service: macOS has no service here yet: start `autoqos up` in a terminal")
