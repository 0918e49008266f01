"""What is measured beside the call: the bytes of the interfaces, and the processor time of the enforcer."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from tests.lab import Lab


class Sampler:
    """What the interfaces counted, ten times a second."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rows: list[Any] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            self.rows.append((time.monotonic(), self.lab.counters("host").rx_bytes, self.lab.counters("peer").rx_bytes))

    def stop(self) -> list[tuple[float, int, int]]:
        self._stop.set()
        self._thread.join()
        return self.rows


class CpuOf:
    """CPU of one process between two looks, percent of one core."""

    def __init__(self, pid: int) -> None:
        self.file, self.then = Path(f"/proc/{pid}/stat"), time.monotonic()
        self.spent = self._spent()

    def _spent(self) -> float:
        fields = self.file.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def percent(self) -> float:
        return round(100 * (self._spent() - self.spent) / (time.monotonic() - self.then), 1)
