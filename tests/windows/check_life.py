"""The life of `autoqos up` on Windows: start, orderly stop, start again, hard kill, start after that; every command.

Runs on Windows and under Wine, as any user. Prints one line a step; exit status 1 when one failed. The orderly stop is
the closed pipe that a supervisor of ours would close, so that no console is needed.
"""

import io
import json
import locale
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.windows.wine_lacks import under_wine

ROOT = Path(__file__).parents[2]
SLOW = int(os.environ.get("AUTOQOS_CHECK_SLOW", "10"))
"""How much slower than a real machine everything may be; more where others use the processors."""


class Life:
    """One data folder and what was found."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.failed = 0

    def step(self, name: str, good: bool, detail: object = "") -> None:
        """Print it and remember a failure."""
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}{f': {detail}' if detail != '' else ''}", flush=True)

    def command(self, *arguments: str, timeout: float = 60 * SLOW) -> subprocess.CompletedProcess[str]:
        """A command of ours, run to its end; it writes in the legacy code page, as into a file."""
        return subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            capture_output=True, encoding=locale.getencoding(), errors="replace", cwd=ROOT, timeout=timeout,
            check=False,
            env={name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8")},
        )  # fmt: skip

    def up(self) -> "subprocess.Popen[str]":
        """Start everything, with the pipe of a supervisor as standard input."""
        return subprocess.Popen(
            [sys.executable, "-m", "console", "up", "--quiet", "--data", str(self.data)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", cwd=ROOT, env={**os.environ, "AUTOQOS_SUPERVISED": "1", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip

    def documents(self) -> dict[str, dict[str, object]]:
        """The heartbeats, read as a program would: through the store."""
        code = (
            "import json,sys\nfrom pathlib import Path\nfrom qos.store.sqlite.store import SqliteStore\n"
            "s = SqliteStore(Path(sys.argv[1]), read_only=True)\n"
            "print(json.dumps({p: s.get_state(f'part:{p}') for p in ('supervisor', 'collector', 'enforcer')}))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(self.data / "autoqos.db")],
            capture_output=True, text=True, cwd=ROOT, timeout=60 * SLOW, check=False,
        )  # fmt: skip
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def lives(self, since_ns: int) -> bool:
        """Whether supervisor and collector wrote after ``since_ns``."""
        found = self.documents()
        return all(
            isinstance(document := found.get(part), dict)
            and int(str(document.get("time_ns", 0))) > since_ns
            and document.get("state") in ("running", "degraded")
            for part in ("supervisor", "collector")
        )

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for it, ``seconds`` on a real machine."""
        deadline = time.monotonic() + seconds * SLOW
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(1)
        return False


def started(life: Life, name: str) -> "subprocess.Popen[str]":
    """Up, and living."""
    began = time.time_ns()
    running = life.up()
    life.step(name, life.until(lambda: life.lives(began) or running.poll() is not None, 10) and running.poll() is None)
    return running


def stopped(life: Life, running: "subprocess.Popen[str]") -> None:
    """Ask it through its pipe."""
    assert running.stdin is not None
    running.stdin.close()
    try:
        status: object = running.wait(8 * SLOW)
    except subprocess.TimeoutExpired:
        running.kill()
        status = "did not stop"
    assert running.stderr is not None
    said = running.stderr.read()
    life.step("orderly stop", status == 0 and "Traceback" not in said, f"status {status} {said[-500:]}")


def commands(life: Life, data: Sequence[str]) -> None:
    """Every command once."""
    every = [
        ["--help"], ["status", *data], ["status", "--json", *data], ["top", "--once", *data],
        ["usage", "--since", "10m", *data], ["usage", "--since", "10m", "--json", *data],
        ["query", "host_traffic", "--format", "csv", *data], ["report", *data], ["check"], ["apps", *data],
        ["limit", "chrome", "--down", "5mbit", *data], ["set", "chrome", "4", *data], ["why", "chrome", *data],
        ["pause", *data], ["resume", *data], ["lag", *data], ["undo", "--list", *data],
        ["forecast", "--help"], ["backtest", "--help"],
        ["service", "status"],
    ]  # fmt: skip
    for arguments in every:
        done = life.command(*arguments)
        known = done.returncode in (0, 1, 2) and "Traceback" not in done.stderr
        shown = " ".join(arguments[: -len(data)] if arguments[-len(data) :] == list(data) else arguments)
        life.step(f"autoqos {shown}", known, f"status {done.returncode} {done.stderr.strip()[-200:]}".strip())


def main() -> int:
    """All of it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what programs said may have signs that this output has not
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        life = Life(Path(folder) / "data ü")
        if under_wine():  # there a new folder belongs to a made-up user, and an elevated agent refuses it
            life.data.mkdir()
        running = started(life, "first start")
        second = life.command("up", "--quiet", "--data", str(life.data))
        life.step("a second supervisor is refused", second.returncode == 2, second.stderr.strip()[-160:])
        stopped(life, running)
        running = started(life, "second start")
        running.kill()
        running.wait(60)
        began = time.time_ns()
        ended = life.until(lambda: not life.lives(time.time_ns() - 10**10), 8)
        life.step("the children end with a killed supervisor", ended)
        life.step("nobody writes after that", not life.lives(began + 8 * 10**9))
        running = started(life, "start after a hard kill")
        commands(life, ["--data", str(life.data)])
        stopped(life, running)
        print(f"{'failed' if life.failed else 'passed'}: {life.failed} steps failed", flush=True)
        return int(bool(life.failed))


if __name__ == "__main__":
    sys.exit(main())
