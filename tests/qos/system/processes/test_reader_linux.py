import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("/proc is Linux's", allow_module_level=True)

from qos.system.processes import Processes
from qos.system.processes.reader_linux import ProcessReader, is_background, parse_stat, systemd_path

TAIL = (
    b"S 1 42 42 34816 42 4194304 100 0 0 0 250 50 0 0 20 0 1 0 12345 8192000 500 18446744073709551615 1 1 0 0 0 0 0 "
    b"4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
)


@given(st.binary(min_size=0, max_size=15).filter(lambda b: b"\0" not in b and b"\n" not in b))
def test_stat_is_read_whatever_the_name_holds(name: bytes) -> None:
    stat = parse_stat(b"42 (" + name + b") " + TAIL)
    assert os.fsencode(stat.name) == name
    assert (stat.parent, stat.terminal, stat.kernel, stat.started_ticks) == (1, True, False, 12345)
    assert stat.cpu_ns == 300 * 10**9 // os.sysconf("SC_CLK_TCK")
    assert stat.rss_bytes == 500 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("0::/system.slice/sshd.service\n", "/system.slice/sshd.service"),
        ("12:memory:/x/y/z\n1:name=systemd:/user.slice/session-1.scope\n0::/\n", "/user.slice/session-1.scope"),
        ("0::/with:colon.scope\n", "/with:colon.scope"),
        ("", ""),
    ],
)
def test_the_cgroup_that_systemd_manages_is_found(cgroup: str, expected: str) -> None:
    assert systemd_path(cgroup) == expected


APP = "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope"
USER_SERVICE = "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service"


@pytest.mark.parametrize(
    ("terminal", "kernel", "cgroup", "display", "expected"),
    [
        (True, False, "/system.slice/x.service", False, False),
        (False, True, "", False, True),
        (False, False, "/system.slice/cron.service", True, True),
        (False, False, APP, False, False),
        (False, False, USER_SERVICE, True, True),
        (False, False, "/user.slice/user-1000.slice/session-2.scope", True, False),
        (False, False, "/user.slice/user-1000.slice/session-2.scope", False, True),
        (False, False, "", False, True),
    ],
)
def test_background_is_what_has_no_terminal_and_no_window(
    terminal: bool, kernel: bool, cgroup: str, display: bool, expected: bool
) -> None:
    assert is_background(terminal=terminal, kernel=kernel, cgroup=cgroup, display=display) is expected


def test_this_process_is_read_and_a_dead_one_is_not() -> None:
    source = ProcessReader()
    me = source.read(os.getpid(), scripts=True)
    assert me is not None
    assert os.path.samefile(me.exe, sys.executable)
    usage = source.usage(os.getpid())
    assert usage is not None
    assert usage[0] == me.started_ns == (source.glance(os.getpid()) or (0, ""))[0]
    assert usage[1] > 0
    assert usage[2] > 1_000_000
    assert os.getpid() in source.pids()
    assert source.read(2**22 + 5, scripts=False) is None
    assert source.glance(2**22 + 5) is None
    assert source.usage(2**22 + 5) is None


def test_a_backend_that_is_opened_after_the_wall_clock_was_set_finds_the_same_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = Processes(reader=ProcessReader())
    before, real = processes.identify(os.getpid(), 0), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)
    reopened = ProcessReader().glance(os.getpid())
    assert reopened is not None
    assert processes.identify(os.getpid(), 10**9, started_ns=reopened[0], name=reopened[1]) == before
