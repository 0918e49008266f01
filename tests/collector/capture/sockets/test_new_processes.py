"""Executables and socket holders out of the real ``/proc``."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("/proc is Linux", allow_module_level=True)

from collector.capture.sockets import procfs
from collector.capture.sockets.owners import Creator
from collector.capture.sockets.procfs import Programs
from qos.system import clock


def since_boot_ns() -> int:
    return clock.wall_ns() - clock.boot_ns()


def test_a_living_process_is_known_by_its_executable_and_start() -> None:
    owner = Programs(clock.boot_ns()).owner(Creator(os.getpid(), since_boot_ns(), "short"))
    assert owner.exe == os.path.realpath(sys.executable)
    assert owner.name == Path(owner.exe).name
    assert 0 < clock.wall_ns() - owner.started_ns < 24 * 3600 * 10**9


def test_a_process_that_is_gone_is_remembered_and_one_never_seen_goes_by_its_comm() -> None:
    programs = Programs(clock.boot_ns())
    with subprocess.Popen(["sleep", "30"]) as child:
        made_ns = since_boot_ns()
        assert programs.look(child.pid) is not None
        child.kill()
        child.wait()
        programs.refresh()
        assert programs.owner(Creator(child.pid, made_ns, "x")).name == Path(os.path.realpath("/bin/sleep")).name
        gone = Programs(clock.boot_ns()).owner(Creator(child.pid, made_ns, "x"))
    assert (gone.name, gone.exe, gone.started_ns) == ("x", "", 0)


def test_a_pid_used_again_is_not_taken_for_the_process_before() -> None:
    # This very process's PID, but a socket made before it started: somebody else had the PID then.
    owner = Programs(clock.boot_ns()).owner(Creator(os.getpid(), 1, "before"))
    assert (owner.name, owner.started_ns) == ("before", 0)


def test_a_process_that_executed_something_else_is_known_by_that() -> None:
    programs = Programs(clock.boot_ns())
    with subprocess.Popen(["sh", "-c", "read line; exec sleep 30"], stdin=subprocess.PIPE) as child:
        made_ns = since_boot_ns() + 10**9
        before = programs.owner(Creator(child.pid, made_ns)).exe
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        deadline = time.monotonic() + 20
        while programs.owner(Creator(child.pid, made_ns)).exe == before and time.monotonic() < deadline:
            programs.refresh()
            time.sleep(0.01)
        after = programs.owner(Creator(child.pid, made_ns))
        child.kill()
    assert Path(after.exe).name == Path(os.path.realpath("/bin/sleep")).name


def test_a_socket_s_holder_is_found_and_a_pipe_is_no_socket() -> None:
    with socket.socket() as made:
        inode = os.fstat(made.fileno()).st_ino
        assert inode in procfs.socket_inodes(os.getpid())
        assert procfs.holders([os.getpid()])[inode] == os.getpid()
    assert inode not in procfs.socket_inodes(os.getpid())
    assert procfs.socket_inodes(2**22 + 1) == set()


def test_births_are_new_processes_and_no_threads() -> None:
    family = procfs.Family()
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with subprocess.Popen(["sleep", "30"]) as child:
        born = family.births()
        assert child.pid in born
        assert thread.native_id not in born
        assert os.getpid() not in born
        assert child.pid not in family.births()
        child.kill()
    done.set()
    thread.join()


@pytest.mark.parametrize("lasts", [(0, 2**30), (2**40, 2**30)], ids=["a great many", "once around"])
def test_births_are_found_where_the_circle_of_pids_closes(lasts: tuple[int, int]) -> None:
    family = procfs.Family(iter(lasts).__next__)
    assert os.getpid() in family.births()


def test_this_process_is_among_all() -> None:
    assert os.getpid() in procfs.pids()
