"""A part as a child process: how it is started, asked to stop, and ended when it does not.

Standard input is a pipe that asks the child to stop when it closes (see ``qos.service.stop``), so that no child
outlives its parent; standard error is a pipe with its log lines. The parent's Ctrl-C does not reach it by itself.
"""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from qos.contract.environment import SUPERVISED
from qos.service import ChildCommand, child_command
from qos.system import clock

if sys.platform == "win32":
    from console.supervisor.signals_windows import ask_to_stop, spawn_flags, spawn_session
else:
    from console.supervisor.signals_posix import ask_to_stop, spawn_flags, spawn_session


def command(part: str, config_path: Path | None, data: Path) -> ChildCommand:
    """How the child is started: nothing of the folder we are in takes part."""
    settings = ["--config", str(config_path.absolute())] if config_path is not None else []
    return child_command("console", part, *settings, "--data", str(data.absolute()), env={SUPERVISED: "1"})


def start_child(part: str, config_path: Path | None, data: Path) -> "subprocess.Popen[bytes]":
    """Start a part. The caller reads its standard error."""
    child = command(part, config_path, data)
    return subprocess.Popen(
        child.argv,
        cwd=child.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=child.env,
        start_new_session=spawn_session(),
        creationflags=spawn_flags(),
    )


def stop_children(children: Sequence["subprocess.Popen[bytes]"], grace_s: float) -> list[int]:
    """Ask all of them, wait together at most ``grace_s``, kill what is left. The PIDs that had to be killed."""
    for child in children:  # all of them before any signal: a signal that cannot be sent must not keep others waiting
        if child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
    for child in children:
        if child.poll() is None:
            with contextlib.suppress(OSError):
                ask_to_stop(child)
    deadline_ns = clock.monotonic_ns() + int(grace_s * 1e9)
    killed = []
    for child in children:
        try:
            child.wait(max(0.0, (deadline_ns - clock.monotonic_ns()) / 1e9))
        except subprocess.TimeoutExpired:
            killed.append(child.pid)
            kill(child)
    return killed


def kill(child: "subprocess.Popen[bytes]") -> None:
    """End it now."""
    child.kill()
    child.wait(5)
