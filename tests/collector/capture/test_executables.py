"""Which program ran under a PID: the one rule for PIDs that are used again, and the real ``/proc``."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.capture import Owner
from collector.capture.executables import Executables
from qos.system import clock
from qos.system.processes import Processes

S = 10**9


class Table:
    """Processes by PID: start, name, path."""

    def __init__(self) -> None:
        self.now: dict[int, tuple[int, str, str]] = {}

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        return self.now.get(pid)


def test_of_two_processes_under_one_pid_a_flow_belongs_to_the_one_that_had_started() -> None:
    table = Table()
    executables = Executables(0, table)
    table.now[9] = (5 * S, "curl", "/usr/bin/curl")
    curl = executables.owner(9)
    del table.now[9]
    assert executables.owner(9, 6 * S) == curl  # gone, and remembered
    table.now[9] = (50 * S, "wget", "/usr/bin/wget")
    assert executables.owner(9, 51 * S) == Owner(9, 50 * S, "wget", "/usr/bin/wget")
    assert executables.owner(9, 6 * S) == curl
    assert executables.owner(9, 1 * S, "comm") == Owner(9, 0, "comm")


def test_a_process_that_is_ending_keeps_its_path() -> None:
    table = Table()
    executables = Executables(0, table)
    table.now[9] = (5 * S, "curl", "/usr/bin/curl")
    executables.look(9)
    table.now[9] = (5 * S, "curl", "")
    assert executables.owner(9).exe == "/usr/bin/curl"


def test_a_forked_child_goes_by_its_parent_until_it_execs() -> None:
    table = Table()
    executables = Executables(10 * S, table)
    table.now[9] = (5 * S, "sh", "/bin/sh")
    executables.forked(10, 9)
    assert executables.owner(10) == Owner(10, 0, "sh", "/bin/sh")
    table.now[10] = (6 * S, "curl", "/usr/bin/curl")
    executables.execed(10)
    del table.now[10]
    assert executables.owner(10).name == "curl"
    assert executables.owner(11, name="short") == Owner(11, 0, "short")


def test_a_living_process_is_known_by_its_executable_and_start() -> None:
    owner = Executables(0).owner(os.getpid(), clock.wall_ns(), "short")
    assert owner.exe == os.path.realpath(sys.executable)
    assert owner.name == Path(owner.exe).name
    assert 0 < clock.wall_ns() - owner.started_ns < 24 * 3600 * S


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows never becomes another program")
def test_a_process_that_executed_something_else_is_known_by_that() -> None:
    executables = Executables(0)
    with subprocess.Popen(["sh", "-c", "read line; exec sleep 30"], stdin=subprocess.PIPE) as child:
        before = executables.owner(child.pid).exe
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        deadline = time.monotonic() + 20
        while executables.owner(child.pid).exe == before and time.monotonic() < deadline:
            time.sleep(0.01)
        after = executables.owner(child.pid)
        child.kill()
    assert Path(after.exe).name == Path(os.path.realpath("/bin/sleep")).name


def test_a_wall_clock_that_was_set_makes_no_process_look_like_another(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere the system itself keeps a process's start in wall time")
    processes = Processes()
    before = processes.identify(os.getpid(), 1 * S)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * S)
    owner = Executables(0).owner(os.getpid(), clock.boot_ns() + clock.since_boot_ns(), "short")  # a backend, reopened
    found = processes.identify(owner.pid, 2 * S, started_ns=owner.started_ns, name=owner.name, exe=owner.exe)
    assert found == before
