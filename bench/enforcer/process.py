"""What the enforcer's process costs, and the environment of programs started beside it."""

import os
import time
from pathlib import Path

from tests.enforcer.rig import Rig


class Cpu:
    """CPU of the enforcer's process between two looks, percent of one core."""

    def __init__(self, rig: Rig) -> None:
        self.pid, self.then, self.spent = rig.pid(), time.monotonic(), 0.0
        self.spent = self._spent()

    def _spent(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def percent(self) -> float:
        return round(100 * (self._spent() - self.spent) / (time.monotonic() - self.then), 2)


def rss_mb(rig: Rig) -> float:
    for line in Path(f"/proc/{rig.pid()}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1000, 1)
    return 0.0


def here() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
