"""Deltas of the system's counters by process: baselines, reused ids, ends."""

from collector.capture.executables import Executables
from collector.capture.process_counters import ProcessCounters
from qos.system import clock


class Machine:
    """Processes with their counters."""

    def __init__(self) -> None:
        self.counters: dict[int, tuple[int, int]] = {}
        self.started: dict[int, int] = {}

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        return (self.started[pid], f"p{pid}", "") if pid in self.started else None

    def capture(self) -> ProcessCounters:
        made = ProcessCounters(self.counters.get, lambda: list(self.started), Executables(0, self))
        made.start()
        return made


def moved(capture: ProcessCounters) -> dict[int, tuple[int, int, int, int]]:
    return {d.owner.pid: (d.rx_bytes, d.tx_bytes, d.rx_packets, d.tx_packets) for d in capture.poll().deltas if d.owner}


def test_an_old_process_counts_from_now_and_a_new_one_from_zero() -> None:
    machine = Machine()
    machine.started[1], machine.counters[1] = 5, (1_000_000, 0)
    capture = machine.capture()
    assert moved(capture) == {}
    machine.counters[1] = (1_001_460, 0)
    machine.started[2], machine.counters[2] = clock.wall_ns() + 10**9, (0, 3_000)
    assert moved(capture) == {1: (1_500, 0, 1, 0), 2: (0, 3_120, 0, 3)}
    assert moved(capture) == {}


def test_a_reused_id_does_not_inherit_and_an_unreadable_process_is_left_out() -> None:
    machine = Machine()
    machine.started[1], machine.counters[1] = 5, (500, 500)
    capture = machine.capture()
    machine.started[1], machine.counters[1] = clock.wall_ns() + 10**9, (100, 0)
    machine.started[3] = 7
    assert moved(capture) == {1: (140, 0, 1, 0)}
    capture.stop()
