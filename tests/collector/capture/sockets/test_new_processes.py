"""New processes and the holders of sockets out of the real ``/proc``."""

import os
import socket
import subprocess
import sys
import threading

import pytest

if sys.platform != "linux":
    pytest.skip("/proc is Linux", allow_module_level=True)

from collector.capture.sockets.new_processes import NewProcesses, first_holders
from qos.system.sockets.open_sockets_linux import pids, socket_inodes


def test_a_socket_s_holder_is_found_and_a_pipe_is_no_socket() -> None:
    with socket.socket() as made:
        inode = os.fstat(made.fileno()).st_ino
        assert inode in socket_inodes(os.getpid())
        assert first_holders([os.getpid()])[inode] == os.getpid()
    assert inode not in socket_inodes(os.getpid())
    assert socket_inodes(2**22 + 1) == set()


def test_new_processes_are_found_and_no_threads() -> None:
    processes = NewProcesses()
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with subprocess.Popen(["sleep", "30"]) as child:
        fresh = processes.new()
        assert child.pid in fresh
        assert thread.native_id not in fresh
        assert os.getpid() not in fresh
        assert child.pid not in processes.new()
        child.kill()
    done.set()
    thread.join()


@pytest.mark.parametrize("lasts", [(0, 2**30), (2**40, 2**30)], ids=["a great many", "once around"])
def test_new_processes_are_found_where_the_circle_of_pids_closes(lasts: tuple[int, int]) -> None:
    processes = NewProcesses(iter(lasts).__next__)
    assert os.getpid() in processes.new()


def test_this_process_is_among_all() -> None:
    assert os.getpid() in pids()
