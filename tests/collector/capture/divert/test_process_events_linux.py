"""Processes as they are born, as the kernel tells of it."""

import struct
import subprocess
import sys
import time

import pytest

from tests import require

if sys.platform != "linux":
    pytest.skip("the proc connector is Linux's", allow_module_level=True)

from collector.capture.divert.process_events_linux import ProcessEvents, parse


def message(what: int, *words: int) -> bytes:
    return bytes(36) + struct.pack("=IIQ", what, 0, 5) + struct.pack("=4I", *words) + bytes(8)


def test_an_exec_is_a_birth_without_a_parent() -> None:
    assert parse(message(2, 101, 100, 0, 0)) == (100, 0)


def test_a_fork_names_child_and_parent_and_a_thread_is_none() -> None:
    assert parse(message(1, 51, 50, 100, 100)) == (100, 50)
    assert parse(message(1, 51, 50, 101, 100)) is None


@pytest.mark.parametrize("size", [0, 35, 60])
def test_other_and_short_messages_are_none(size: int) -> None:
    assert parse(message(0x80000000, 1, 1, 0, 0)) is None
    assert parse(message(2, 101, 100, 0, 0)[:size]) is None


@pytest.mark.packets
def test_a_program_that_runs_is_reported() -> None:
    require.linux_root()
    seen: list[tuple[int, int]] = []
    try:
        births = ProcessEvents(lambda pid, parent: seen.append((pid, parent)))
    except OSError as error:
        require.missing(f"the kernel's proc connector is not to be had here: {error}")
    child = subprocess.Popen(["true"])
    child.wait()
    end = time.monotonic() + 10
    while (child.pid, 0) not in seen and time.monotonic() < end:
        time.sleep(0.01)
    births.stop()
    births.stop()
    assert (child.pid, 0) in seen
