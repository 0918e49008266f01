import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qos.policy.applications import OURSELVES, Family, Process
from qos.system.processes import KEEP_GONE_NS, KEEP_NS, Processes
from tests.require import missing, program

S = 10**9


class FakeSource:
    """``qos.system.processes.Source`` over a table; counts how often a process is read whole."""

    family: Family = "linux"

    def __init__(self, *processes: Process) -> None:
        self.table = {p.pid: p for p in processes}
        self.reads = 0

    def glance(self, pid: int) -> tuple[int, str] | None:
        process = self.table.get(pid)
        return (process.started_ns, process.name) if process else None

    def usage(self, pid: int) -> tuple[int, int, int] | None:
        return (self.table[pid].started_ns, 0, 0) if pid in self.table else None

    def read(self, pid: int, *, scripts: bool) -> Process | None:
        self.reads += 1
        process = self.table.get(pid)
        return process if process is None or scripts else replace(process, script="")

    def pids(self) -> list[int]:
        return list(self.table)

    def refresh(self) -> None:
        pass


def curl(pid: int = 9, started_ns: int = 5 * S) -> Process:
    return Process(pid, started_ns, 1, "curl", "/usr/bin/curl", background=True)


def test_a_known_process_is_read_once() -> None:
    source = FakeSource(curl())
    processes = Processes(reader=source)
    for tick in range(10):
        assert processes.identify(9, tick * S).app == "curl"
    assert source.reads <= 2  # itself and its parent


def test_five_thousand_processes_are_read_once_each_and_forgotten_again() -> None:
    everybody = [
        Process(pid, pid * S, 1, f"daemon{pid % 700}", f"/usr/sbin/daemon{pid % 700}") for pid in range(2, 5_002)
    ]
    source = FakeSource(*everybody)
    processes = Processes(reader=source)
    for tick in range(3):
        apps = {processes.identify(p.pid, tick * S).app for p in everybody}
        processes.sweep(tick * S)
    assert len(apps) == 700
    assert source.reads <= 2 * len(everybody) + 3
    processes.sweep(2 * S + KEEP_NS + 20 * S)
    assert len(processes) == 0


def test_a_reused_pid_is_another_process() -> None:
    source = FakeSource(curl())
    processes = Processes(reader=source)
    first = processes.identify(9, 1 * S)
    source.table[9] = Process(9, 60 * S, 1, "wget", "/usr/bin/wget")
    second = processes.identify(9, 61 * S)
    assert (first.app, second.app) == ("curl", "wget")
    assert first.started_ns != second.started_ns


def test_a_process_that_became_another_program_is_named_anew() -> None:
    source = FakeSource(Process(9, 5 * S, 1, "bash", "/usr/bin/bash"))
    processes = Processes(reader=source)
    assert processes.identify(9, 1 * S).app == "bash"
    source.table[9] = curl()
    assert processes.identify(9, 2 * S).app == "curl"


def test_the_last_bytes_of_a_process_that_is_gone_are_still_its_own() -> None:
    source = FakeSource(curl())
    processes = Processes(reader=source)
    alive = processes.identify(9, 1 * S)
    del source.table[9]
    assert processes.identify(9, 2 * S, name="curl") == alive
    processes.sweep(2 * S + KEEP_GONE_NS + 20 * S)
    assert len(processes) == 0


def test_a_process_nobody_ever_saw_goes_by_what_the_backend_saw() -> None:
    processes = Processes(reader=FakeSource())
    who = processes.identify(9, 1 * S, started_ns=7, name="curl")
    assert (who.app, who.pid, who.started_ns, who.background) == ("curl", 9, 7, True)
    assert processes.identify(10, 1 * S, exe="/opt/x/Tool").app == "Tool"
    assert processes.identify(11, 1 * S).app == "unknown"


def test_a_new_owner_of_a_pid_does_not_get_the_bytes_of_the_old_one() -> None:
    source = FakeSource(Process(9, 100 * S, 1, "wget", "/usr/bin/wget"))
    processes = Processes(reader=source)
    assert processes.identify(9, 1 * S).app == "wget"
    old = processes.identify(9, 1 * S, started_ns=5 * S, name="curl")
    assert (old.app, old.started_ns) == ("curl", 5 * S)
    assert processes.identify(9, 2 * S).app == "wget"


def test_a_browsers_children_are_the_browser() -> None:
    source = FakeSource(
        Process(5, 1 * S, 1, "firefox", "/usr/lib/firefox/firefox"),
        Process(6, 2 * S, 5, "Web Content", "/usr/lib/firefox/plugin-container", background=True),
    )
    child = Processes(reader=source).identify(6, 1 * S)
    assert (child.app, child.name, child.exe) == ("firefox", "plugin-container", "/usr/lib/firefox/firefox")
    assert not child.background  # the browser has a window


def test_scripts_are_looked_at_only_with_a_rule_and_applied_when_the_rule_changes() -> None:
    source = FakeSource(Process(9, 5 * S, 1, "python3", "/usr/bin/python3.11", script="backup.py"))
    processes = Processes(reader=source)
    assert processes.identify(9, 1 * S).app == "python3"
    processes.name_by(["backup*"])
    assert processes.identify(9, 2 * S).app == "backup.py"


def test_this_very_process_is_called_autoqos() -> None:
    assert Processes().identify(os.getpid(), 1 * S).app == OURSELVES


@pytest.mark.skipif(sys.platform == "win32", reason="copies a Unix program")
@pytest.mark.parametrize("name", ["программа", "再生ツール", "ünïcödé näme", "a-name-longer-than-fifteen-bytes"])
def test_a_real_process_with_any_name_is_named_in_full(tmp_path: Path, name: str) -> None:
    exe = tmp_path / name
    shutil.copy(program("sleep"), exe)
    child = subprocess.Popen([exe, "60"])
    try:
        who = Processes().identify(child.pid, 1 * S)
        assert (who.app, who.pid) == (name, child.pid)
        assert who.started_ns > 10**18
    finally:
        child.kill()
        child.wait()


def test_a_real_script_is_told_apart_by_rule(tmp_path: Path) -> None:
    script = tmp_path / "nightly_backup.py"
    script.write_text("import sys; print('up', flush=True); sys.stdin.read()", encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, "-u", str(script), "--token", "secret"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        plain = Processes().identify(child.pid, 1 * S)
        ruled = Processes(["nightly_*"]).identify(child.pid, 1 * S)
        assert plain.app.startswith("python")
        assert ruled.app == "nightly_backup.py"
        assert "secret" not in repr((plain, ruled))
    finally:
        child.communicate()


def test_a_daemon_is_in_the_background_and_a_program_in_a_terminal_is_not() -> None:
    if sys.platform == "win32":
        missing("terminals of Unix")
    code = "import os,sys,time; print('up', flush=True); time.sleep(60)"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    daemon = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, env=environment
    )
    terminal = subprocess.Popen(
        [program("script"), "-qec", f'{sys.executable} -c "{code}"', "/dev/null"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert daemon.stdout is not None
        assert terminal.stdout is not None
        daemon.stdout.readline()
        terminal.stdout.readline()
        import psutil

        inside = psutil.Process(terminal.pid).children(recursive=True)
        processes = Processes()
        assert processes.identify(daemon.pid, 1 * S).background
        assert not processes.identify(inside[-1].pid, 1 * S).background
    finally:
        for child in (daemon, terminal):
            child.kill()
            child.communicate()
