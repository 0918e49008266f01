import os
import subprocess
import sys

from qos.system.processes import Processes
from qos.system.processes.reader_psutil import ProcessReader

S = 10**9
NOBODY = 2**22 + 5


def test_this_process_is_read_and_a_dead_one_is_not() -> None:
    source = ProcessReader()
    me = source.read(os.getpid(), scripts=True)
    assert me is not None
    assert os.path.samefile(me.exe, sys.executable)
    glance, usage = source.glance(os.getpid()), source.usage(os.getpid())
    assert glance is not None
    assert usage is not None
    assert glance[0] == usage[0] == me.started_ns
    assert usage[1] > 0
    assert usage[2] > 1_000_000
    assert os.getpid() in source.pids()
    assert source.read(NOBODY, scripts=False) is None
    assert source.glance(NOBODY) is None
    assert source.usage(NOBODY) is None


def test_identities_come_out_the_same_way_everywhere() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()", "--secret"], stdin=subprocess.PIPE)
    try:
        processes = Processes(["*"], reader=ProcessReader())
        first = processes.identify(child.pid, 1 * S)
        assert first.app.startswith("python")
        assert "secret" not in repr(first)
        assert processes.identify(child.pid, 2 * S) is first
    finally:
        child.communicate(b"\n")
