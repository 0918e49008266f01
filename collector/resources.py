"""CPU and memory of applications: those that the config names, and those with traffic, all their processes together.

Cheap by what it leaves out: with nothing to watch, nothing is read. Otherwise all PIDs are listed every few seconds,
each new one is identified once (a bounded number per tick), and only processes of watched applications are sampled.
When they are many, they are sampled every second, third, … tick; CPU is always over the time that really passed.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qos.system.processes import Processes

SCAN_NS: Final = 5 * 10**9
LINGER_NS: Final = 30 * 10**9
"""An application is watched for so long after its last traffic, so that its row does not come and go."""
NEW_PER_TICK: Final = 500
SAMPLES_PER_TICK: Final = 200


@dataclass(frozen=True, slots=True)
class AppUsage:
    """CPU (percent of one core, over the time since the last sample) and resident memory of one application."""

    app: str
    cpu_percent: float
    rss_bytes: int


class ResourceMeter:
    """Remembers which process is whose and what it had used. ``now_ns`` is monotonic."""

    def __init__(self, processes: Processes, globs: Iterable[str] = ()) -> None:
        self._processes = processes
        self._globs = tuple(glob.lower() for glob in globs)
        self._app_of: dict[int, str] = {}
        self._new: list[int] = []
        self._scanned_ns: int | None = None
        self._busy_ns: dict[str, int] = {}
        self._used: dict[int, tuple[int, int]] = {}
        self._sampled_ns: int | None = None
        self._skip = 0

    def watch(self, globs: Sequence[str]) -> None:
        """Watch other applications from the next look on."""
        self._globs = tuple(glob.lower() for glob in globs)
        self._app_of.clear()
        self._scanned_ns = None

    def rebase(self) -> None:
        """Forget what was used: the next look is a baseline."""
        self._used.clear()
        self._sampled_ns = None

    def look(self, now_ns: int, busy: Mapping[int, str]) -> tuple[AppUsage, ...]:
        """Usage of the watched applications; ``busy`` are the processes with traffic now and their application.

        Empty while there is no earlier sample to compare with, and in ticks that are skipped.
        """
        for pid, app in busy.items():
            self._busy_ns[app] = now_ns
            self._app_of[pid] = app
        self._busy_ns = {app: at for app, at in self._busy_ns.items() if now_ns - at <= LINGER_NS}
        if not self._globs and not self._busy_ns:
            self.rebase()
            self._app_of.clear()
            self._scanned_ns = None
            return ()
        self._scan(now_ns)
        watched = [(pid, app) for pid, app in self._app_of.items() if app in self._busy_ns or self._named(app)]
        if self._skip > 0:
            self._skip -= 1
            return ()
        self._skip = len(watched) // SAMPLES_PER_TICK
        return self._sample(now_ns, watched)

    def _named(self, app: str) -> bool:
        name = app.lower()
        return any(fnmatch.fnmatchcase(name, glob) for glob in self._globs)

    def _scan(self, now_ns: int) -> None:
        if self._scanned_ns is None or now_ns - self._scanned_ns >= SCAN_NS:
            self._scanned_ns = now_ns
            alive = set(self._processes.all_pids())
            self._app_of = {pid: app for pid, app in self._app_of.items() if pid in alive}
            self._new = [pid for pid in alive if pid not in self._app_of]
        for pid in self._new[:NEW_PER_TICK]:
            if pid not in self._app_of:
                self._app_of[pid] = self._processes.identify(pid, now_ns).app
        del self._new[:NEW_PER_TICK]

    def _sample(self, now_ns: int, watched: Sequence[tuple[int, str]]) -> tuple[AppUsage, ...]:
        used: dict[int, tuple[int, int]] = {}
        cpu_ns: dict[str, int] = {}
        rss: dict[str, int] = {}
        for pid, app in watched:
            found = self._processes.usage(pid)
            if found is None:
                self._app_of.pop(pid, None)
                continue
            started_ns, spent_ns, rss_bytes = found
            used[pid] = (started_ns, spent_ns)
            before = self._used.get(pid)
            if before is not None and before[0] != started_ns:  # a reused PID: whose it is now, the next scan says
                del used[pid]
                self._app_of.pop(pid, None)
                continue
            cpu_ns[app] = cpu_ns.get(app, 0) + (max(0, spent_ns - before[1]) if before is not None else 0)
            rss[app] = rss.get(app, 0) + rss_bytes
        elapsed_ns = now_ns - self._sampled_ns if self._sampled_ns is not None else 0
        self._used, self._sampled_ns = used, now_ns
        if elapsed_ns <= 0:
            return ()
        return tuple(AppUsage(app, 100 * cpu_ns[app] / elapsed_ns, rss[app]) for app in sorted(cpu_ns))
