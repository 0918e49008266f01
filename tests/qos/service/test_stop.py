import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qos.contract.environment import SUPERVISED
from qos.service import stop_with_parent

_PART = """
import sys, threading
from qos.service import stop_on_signals, stop_with_parent
stop = threading.Event()
stop_on_signals(stop)
stop_with_parent(stop)
print("ready", flush=True)
stop.wait(30)
print("clean" if stop.is_set() else "timeout", flush=True)
if "stubborn" in sys.argv:
    threading.Event().wait(30)
"""


def _start(*arguments: str, supervised: bool = False) -> subprocess.Popen[str]:
    environment = {**os.environ, SUPERVISED: "1" if supervised else ""}
    process = subprocess.Popen(
        [sys.executable, "-c", _PART, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Linux sends them")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_part_cleanly(name: str) -> None:
    with _start() as process:
        process.send_signal(signal.Signals[name])
        output, _ = process.communicate(timeout=20)
        assert (output, process.returncode) == ("clean\n", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Linux sends them")
def test_a_second_signal_ends_a_part_that_does_not_stop() -> None:
    with _start("stubborn") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "clean\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == -signal.SIGTERM


def test_closing_the_supervisors_pipe_ends_the_part() -> None:
    with _start(supervised=True) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout is not None
        assert process.stdout.read() == "clean\n"
        assert process.wait(timeout=20) == 0


def test_a_part_that_nobody_supervises_outlives_its_standard_input() -> None:
    with _start(supervised=False) as process:
        assert process.stdin is not None
        process.stdin.close()
        time.sleep(0.3)
        assert process.poll() is None
        process.kill()


def test_the_parents_death_is_noticed_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUPERVISED, "1")
    reader, writer = os.pipe()
    stop = threading.Event()
    thread = stop_with_parent(stop, fd=reader)
    assert thread is not None
    assert not stop.is_set()
    os.close(writer)  # what the kernel does for a parent that was killed
    assert stop.wait(20)
    thread.join(20)
    os.close(reader)
