"""Two threads ask who a process is: one at a time gets in."""

import threading

from enforcer.locked_processes import LockedProcesses
from qos.policy.applications import Process


class Narrow:
    """A source that notices when two threads are inside."""

    family = "linux"

    def __init__(self) -> None:
        self.inside, self.together = 0, 0

    def _enter(self) -> None:
        self.inside += 1
        self.together = max(self.together, self.inside)
        threading.Event().wait(0.001)
        self.inside -= 1

    def glance(self, pid: int) -> tuple[int, str] | None:
        self._enter()
        return (1, "bulk")

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        self._enter()
        return Process(pid=pid, started_ns=1, name="bulk", exe="/opt/bulk")

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        return None

    def pids(self) -> list[int]:
        return []

    def refresh(self) -> None:
        self._enter()


def test_two_threads_are_never_inside_together() -> None:
    source = Narrow()
    processes = LockedProcesses(reader=source)  # type: ignore[arg-type]  # family is a literal there

    def ask() -> None:
        for number in range(60):
            processes.identify(number % 7 + 100, number)
            processes.sweep(number * 20 * 10**9)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.together == 1
