"""The question for a limit in a real terminal (tmux), keys as a slow line delivers them."""

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import require
from tests.console.samples import fill, live_document

ROOT = Path(__file__).parents[3]


class Terminal:
    """One tmux server of our own with one window."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]

    def run(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True, timeout=20).stdout

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def raw(self, *codes: int) -> None:
        """Bytes in one delivery."""
        self.run("send-keys", "-H", *(f"{code:02x}" for code in codes))

    def until(self, holds: Callable[[str], bool], what: str, seconds: float = 40) -> str:
        deadline = time.monotonic() + seconds
        while not holds(screen := self.run("capture-pane", "-p")):
            assert time.monotonic() < deadline, f"{what}, but the screen shows:\n{screen}"
            time.sleep(0.1)
        return screen


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    require.program("tmux")
    now = time.time_ns()
    fill(tmp_path / "data", now, 5, live_document(now, interval_ns=3600 * 10**9))
    (tmp_path / "config.yaml").write_text("{}\n")
    command = [
        sys.executable,
        "-m",
        "console",
        "top",
        "--config",
        tmp_path / "config.yaml",
        "--data",
        tmp_path / "data",
    ]
    found = Terminal(tmp_path / "tmux")
    found.run(
        "new-session",
        "-d",
        "-x",
        "80",
        "-y",
        "24",
        "-c",
        str(ROOT),
        "-e",
        f"LANG={os.environ.get('LANG', 'C.UTF-8')}",
        shlex.join(map(str, command)),
    )
    try:
        found.until(lambda screen: "steam" in screen, "the table")
        yield found
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            found.run("kill-server")


def ask(terminal: Terminal) -> None:
    terminal.keys("l")
    terminal.until(lambda screen: "Limit steam" in screen, "the question for a limit")


def test_a_mistyped_rate_is_said_and_esc_leaves(terminal: Terminal) -> None:
    ask(terminal)
    terminal.keys("2", "m", "i", "b", "Enter")
    terminal.until(lambda screen: "not a rate" in screen and "Limit steam" in screen, "what is wrong")
    terminal.keys("Escape")
    terminal.until(lambda screen: "Limit steam" not in screen, "the table again")


def test_an_empty_question_is_said_and_esc_leaves(terminal: Terminal) -> None:
    ask(terminal)
    terminal.keys("Enter")
    terminal.until(lambda screen: "no rate given" in screen, "what is wrong")
    terminal.keys("Escape")
    terminal.until(lambda screen: "Limit steam" not in screen, "the table again")


@pytest.mark.parametrize("after", [b"x", b"5", b"\x1b", b"O"])
def test_esc_leaves_also_when_the_line_delivers_it_with_the_next_key(terminal: Terminal, after: bytes) -> None:
    ask(terminal)
    terminal.raw(0x1B, *after)
    terminal.until(lambda screen: "Limit steam" not in screen, "the table again")
