"""What a service's installation consists of, and where it lies. Pure."""

from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Final

NAME: Final = "autoqos"
TASK: Final = "AutoQoS"


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders of one installation."""

    program: PurePath
    """The copy of the program; only administrators write here."""
    config: PurePath
    data: PurePath

    @property
    def python(self) -> PurePath:
        """The interpreter that runs the service."""
        windows = isinstance(self.program, PureWindowsPath)
        return self.program / "env" / ("Scripts/python.exe" if windows else "bin/python")

    @property
    def log(self) -> PurePath:
        """Where the Windows task's output goes."""
        return self.data / "logs" / "autoqos.log"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What ``up`` is told."""
        return ("--config", str(self.config), "--data", str(self.data))


LINUX: Final = Layout(
    PurePosixPath("/opt/autoqos"), PurePosixPath("/etc/autoqos/config.yaml"), PurePosixPath("/var/lib/autoqos")
)


def windows(program_files: str, data: str) -> Layout:
    """The Windows layout: the program below one folder, settings and data in the other."""
    kept = PureWindowsPath(data)
    return Layout(PureWindowsPath(program_files) / "AutoQoS", kept / "config.yaml", kept)
