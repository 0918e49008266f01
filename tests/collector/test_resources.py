import subprocess
import sys

from collector.resources import LINGER_NS, NEW_PER_TICK, SCAN_NS, ResourceMeter
from qos.policy.applications import Family, Process
from qos.system.processes import Processes

S = 10**9


class FakeSystem:
    """``qos.system.processes.Source``: processes with CPU and memory that the test sets; counts what is asked."""

    family: Family = "linux"

    def __init__(self) -> None:
        self.table: dict[int, tuple[str, int, int, int]] = {}
        self.usages = self.listings = self.reads = 0

    def set(self, pid: int, app: str, cpu_ns: int = 0, rss: int = 0, started_ns: int = 1) -> None:
        self.table[pid] = (app, cpu_ns, rss, started_ns)

    def glance(self, pid: int) -> tuple[int, str] | None:
        return (self.table[pid][3], self.table[pid][0]) if pid in self.table else None

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        self.usages += 1
        if pid not in self.table:
            return None
        _, cpu_ns, rss, started_ns = self.table[pid]
        return started_ns, cpu_ns, rss

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        self.reads += 1
        if pid not in self.table:
            return None
        app, _, _, started_ns = self.table[pid]
        return Process(pid, started_ns, 0, app, f"/usr/bin/{app}")

    def pids(self) -> list[int]:
        self.listings += 1
        return list(self.table)

    def refresh(self) -> None:
        pass


def meter(system: FakeSystem, *globs: str) -> ResourceMeter:
    return ResourceMeter(Processes(reader=system), globs)


def test_nothing_to_watch_reads_nothing() -> None:
    system = FakeSystem()
    system.set(5, "firefox")
    found = meter(system)
    assert [found.look(t * S, {}) for t in range(10)] == [()] * 10
    assert (system.listings, system.usages, system.reads) == (0, 0, 0)


def test_a_named_application_is_the_sum_of_its_processes() -> None:
    system = FakeSystem()
    system.set(5, "Firefox", 10 * S, 100)
    system.set(6, "Firefox", 20 * S, 50)
    system.set(7, "curl", 0, 7)
    found = meter(system, "fire*")
    assert found.look(0, {}) == ()
    system.set(5, "Firefox", 10 * S + S // 4, 200)
    system.set(6, "Firefox", 20 * S + S // 2, 50)
    (usage,) = found.look(1 * S, {})
    assert (usage.app, usage.cpu_percent, usage.rss_bytes) == ("Firefox", 75.0, 250)


def test_who_has_traffic_is_watched_with_its_whole_tree_and_for_a_while_after() -> None:
    system = FakeSystem()
    system.set(5, "curl", 0, 10)
    system.set(6, "curl", 0, 20)
    found = meter(system)
    found.look(0, {5: "curl"})
    (usage,) = found.look(1 * S, {})
    assert usage.rss_bytes == 30
    assert found.look(LINGER_NS, {}) != ()
    assert found.look(LINGER_NS + 1, {}) == ()
    asked = system.usages
    found.look(LINGER_NS + S, {})
    assert system.usages == asked


def test_a_reused_pid_lends_its_cpu_to_nobody() -> None:
    system = FakeSystem()
    system.set(5, "curl", 10 * S, 10)
    found = meter(system, "curl")
    found.look(0, {})
    system.set(5, "curl", 9 * S, 10, started_ns=77)
    for second in range(1, 12):
        for usage in found.look(second * S, {}):
            assert usage.cpu_percent == 0.0


def test_a_process_that_ends_takes_its_memory_with_it() -> None:
    system = FakeSystem()
    system.set(5, "curl", 0, 10)
    system.set(6, "curl", 0, 20)
    found = meter(system, "curl")
    found.look(0, {})
    del system.table[6]
    assert [u.rss_bytes for u in found.look(1 * S, {})] == [10]


def test_five_thousand_processes_cost_a_bounded_amount_per_tick() -> None:
    system = FakeSystem()
    for pid in range(5_000):
        system.set(pid, f"daemon{pid % 100}", 0, 1)
    found = meter(system, "daemon7")
    for tick in range(60):
        before = system.reads
        found.look(tick * S, {})
        assert system.reads - before <= 2 * NEW_PER_TICK
    assert system.listings <= 60 * S // SCAN_NS + 1
    (usage,) = found.look(61 * S, {}) or found.look(62 * S, {})
    assert usage.rss_bytes == 50


def test_many_watched_processes_are_sampled_more_rarely_with_true_cpu() -> None:
    system = FakeSystem()
    for pid in range(1_000):
        system.set(pid, "daemon", 0, 1)
    found = meter(system, "daemon")
    seen = []
    for tick in range(30):
        for pid in range(1_000):
            system.set(pid, "daemon", tick * S // 100, 1)  # each 1 % of a core
        seen += [usage for usage in found.look(tick * S, {}) if usage.rss_bytes == 1_000]
    assert 0 < len(seen) < 15
    assert all(abs(usage.cpu_percent - 1_000) < 1 for usage in seen[1:])


def test_globs_may_change_while_it_runs() -> None:
    system = FakeSystem()
    system.set(5, "curl", 0, 10)
    system.set(6, "wget", 0, 20)
    found = meter(system, "curl")
    found.look(0, {})
    found.watch(["wget"])
    found.look(1 * S, {})
    assert [u.app for u in found.look(2 * S, {})] == ["wget"]


def test_a_real_busy_process_uses_about_one_core() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        import time

        found = ResourceMeter(Processes())
        began = time.monotonic_ns()
        found.look(began, {child.pid: "burner"})
        time.sleep(1)
        usages = {u.app: u for u in found.look(time.monotonic_ns(), {child.pid: "burner"})}
        assert 2 < usages["burner"].cpu_percent <= 110  # others may hold the cores
        assert usages["burner"].rss_bytes > 1_000_000
    finally:
        child.kill()
        child.wait()
