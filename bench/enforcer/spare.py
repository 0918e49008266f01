"""What the whole machine spends, told by what is left: a counting process on each processor, and how much less it does.

/proc/stat is sampled, says nothing of interrupts on kernels without their accounting, and takes somebody else's
background job for our work. What is measured runs at nice -20, the counting at -10: others hardly get in between.
"""

import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Final, Self

_COUNT: Final = """
import mmap, os, struct, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.setpriority(os.PRIO_PROCESS, 0, -10)
with open(sys.argv[2], "r+b") as file:
    shared = mmap.mmap(file.fileno(), 4096)
at, done = int(sys.argv[1]) * 8, 0
while True:
    for _ in range(2000):
        pass
    done += 1
    struct.pack_into("<Q", shared, at, done)
"""


class Spare:
    """See the module. Root; the process itself and what it starts from now on run at nice -20."""

    def __enter__(self) -> Self:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        self._cpus = sorted(os.sched_getaffinity(0))
        self._file = tempfile.NamedTemporaryFile(prefix="autoqos-spare-")
        self._file.write(bytes(4096))
        self._file.flush()
        self._shared = mmap.mmap(self._file.fileno(), 4096)
        self._counting = [
            subprocess.Popen([sys.executable, "-c", _COUNT, str(cpu), self._file.name]) for cpu in self._cpus
        ]
        time.sleep(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._counting:
            one.send_signal(signal.SIGKILL)
            one.wait()
        self._file.close()

    def look(self) -> tuple[float, list[int]]:
        """Now: monotonic seconds, and how far each processor has counted."""
        return time.monotonic(), [struct.unpack_from("<Q", self._shared, cpu * 8)[0] for cpu in self._cpus]

    def resting(self, seconds: float) -> list[float]:
        """Counts a second on each processor while nothing is measured."""
        before, counted = self.look()
        time.sleep(seconds)
        now, further = self.look()
        return [(b - a) / (now - before) for a, b in zip(counted, further, strict=True)]

    def spent(self, since: tuple[float, list[int]], resting: list[float]) -> float:
        """CPU seconds that somebody took from the counting since ``look``."""
        now, further = self.look()
        return sum(now - since[0] - (b - a) / rate for a, b, rate in zip(since[1], further, resting, strict=True))
