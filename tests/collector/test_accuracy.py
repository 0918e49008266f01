"""The accuracy matrix: real packets of real programs, counted by a backend and by the interface, case by case.

The truth is the interface's own counter: in each case only one application moves packets on it. Every application is
the interpreter under a name of its own. The backend runs as the collector would run it, polled four times a second,
for all cases of one session; the cases' figures are differences between two readings.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests import require
from tests.lab import HOST4, HOST6, PEER4, PEER6, Counters, Lab

pytestmark = pytest.mark.packets

TRAFFIC: Final = str(Path(__file__).with_name("traffic.py"))
ROOT: Final = Path(__file__).parents[2]
POLL_S: Final = 0.25

SCENARIOS: Final = ("long", "many", "short", "before", "inherit", "server")
"""One long flow; many short connections; processes under 100 ms; opened before the collector; a child that inherits the
socket; a server that accepts."""


@dataclass(frozen=True, slots=True)
class Case:
    scenario: str
    protocol: str
    family: int
    direction: str

    @property
    def name(self) -> str:
        """The application's too: at most 15 characters, as much as the kernel keeps of a thread's name."""
        return f"{self.scenario}-{self.protocol[0]}{self.family}{self.direction[0]}"

    @property
    def peer(self) -> str:
        return PEER4 if self.family == 4 else PEER6


def _cases() -> list[Case]:
    """Half of all 48 combinations, chosen so that every scenario meets both protocols, families and directions."""
    chosen = []
    for at, scenario in enumerate(SCENARIOS):
        for protocol in ("tcp", "udp"):
            for family in (4, 6):
                for direction in ("sent", "received"):
                    parity = (protocol == "udp") ^ (family == 6) ^ (direction == "received") ^ (at % 2 == 1)
                    if not parity:
                        chosen.append(Case(scenario, protocol, family, direction))
    return chosen


CASES: Final = _cases()
UNREACHABLE: Final[dict[tuple[str, str], str]] = {}
"""What a backend cannot know, by (backend, case), and why: none of the cases is beyond either backend.

Just outside of them: a UDP socket that is handed over before its first packet. ``divert`` learns of it by an event that
names the creator, and finds the heir at its next look at the processes: what moves until then is the parent's.
"""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One case: what the interface counted, what the application was given, and all that was given to anybody."""

    truth: Counters
    app_rx: int
    app_tx: int
    all_rx: int
    all_tx: int
    lives_ms: tuple[float, ...]
    lost: int


class Session:
    """One backend in one lab, and programs to run in it."""

    def __init__(self, lab: Lab, backend: str, folder: Path) -> None:
        self._lab, self._backend, self._folder = lab, backend, folder
        libraries = f"{sys.base_prefix}/lib:{sysconfig.get_config_var('LIBDIR') or ''}"
        home = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": libraries}
        self._env = {**os.environ, **home}
        self._first = folder / "interpreter"
        shutil.copy2(os.path.realpath(sys.executable), self._first)

    def program(self, name: str) -> str:
        """The interpreter under that name."""
        path = self._folder / name
        if not path.exists():
            os.link(self._first, path)
        return str(path)

    def argv(self, name: str, *arguments: str) -> list[str]:
        return [self.program(name), "-S", TRAFFIC, *arguments]

    def talk(self, where: Any, argv: list[str], env: dict[str, str] | None = None) -> "Talk":
        """Start a program that says when it is ready and answers lines."""
        pipe = subprocess.PIPE
        talk = Talk(self._lab.start(where, *argv, env=env or self._env, stdin=pipe, stdout=pipe))
        talk.answer()
        return talk

    def run(self) -> dict[str, ProbeResult]:
        """All cases, one after the other."""
        peer_server = self.talk("peer", self.argv("peer", "serve"))
        held = {case: self.talk("host", self.argv(case.name, "hold", *_what(case))) for case in _in("before")}
        driver = self.talk(
            "host",
            [sys.executable, "-m", "tests.collector.capture.capture_driver", self._backend, str(POLL_S)],
            {**os.environ, "PYTHONPATH": str(ROOT)},
        )
        runner = self.talk("host", self.argv("launcher", "run"))
        peer_runner = self.talk("peer", self.argv("launcher", "run"))
        outcomes = {}
        for case in CASES:
            if case.scenario == "before":
                outcomes[case.name] = self._measure(driver, case, held[case].finish)
            elif case.scenario == "server":
                server = self.talk("host", self.argv(case.name, "serve"))
                outcomes[case.name] = self._measure(driver, case, functools.partial(self._serve, peer_runner, case))
                server.finish()
            else:
                outcomes[case.name] = self._measure(driver, case, functools.partial(self._launch, runner, case))
        driver.finish()
        for talk in (runner, peer_runner, peer_server):
            talk.finish()
        return outcomes

    def _launch(self, runner: "Talk", case: Case) -> list[float]:
        if case.scenario == "inherit":
            return runner.order(self.argv("testator", "bequeath", self.program(case.name), *_what(case)))
        times = 10 if case.scenario == "short" else 1
        return runner.order(self.argv(case.name, "move", *_what(case)), times)

    def _serve(self, peer_runner: "Talk", case: Case) -> list[float]:
        other = "received" if case.direction == "sent" else "sent"
        host = HOST4 if case.family == 4 else HOST6
        return peer_runner.order(self.argv("client", "move", case.protocol, host, other, "60000", "8"))

    def _measure(self, driver: "Talk", case: Case, act: Callable[[], object]) -> ProbeResult:
        before, truth = driver.ask(), self._lab.counters()
        lives = act()
        time.sleep(0.15)  # the last acknowledgements
        truth = self._lab.counters() - truth
        after = driver.ask()
        mine_before, mine = (state["apps"].get(case.name, [0, 0]) for state in (before, after))
        everybody = [
            sum(pair[way] for pair in [*after["apps"].values(), after["nobody"]])
            - sum(pair[way] for pair in [*before["apps"].values(), before["nobody"]])
            for way in (0, 1)
        ]
        return ProbeResult(
            truth,
            mine[0] - mine_before[0],
            mine[1] - mine_before[1],
            all_rx=everybody[0],
            all_tx=everybody[1],
            lives_ms=tuple(lives) if isinstance(lives, list) else (),
            lost=after["lost"] - before["lost"],
        )


class Talk:
    """A program on two pipes, line by line."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def answer(self) -> str:
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        assert line, f"{self._program.args!r} ended: {self._program.wait(10)}"
        return str(line)

    def ask(self, line: str = "") -> Any:
        assert self._program.stdin is not None
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        return json.loads(self.answer())

    def order(self, argv: list[str], times: int = 1) -> list[float]:
        answer: list[float] = self.ask(json.dumps({"argv": argv, "times": times}))
        return answer

    def finish(self) -> None:
        """End its input and let it come to its end."""
        self._program.communicate("\n", timeout=60)


def _in(scenario: str) -> list[Case]:
    return [case for case in CASES if case.scenario == scenario]


def _what(case: Case) -> tuple[str, ...]:
    """The arguments of ``move``: bytes, connections, pause between blocks in ms."""
    size, count, pause = {
        "long": (1_000_000, 1, 30),
        "many": (20_000, 40, 0),
        "short": (100_000, 1, 0),
        "before": (500_000, 1, 20),
        "inherit": (800_000, 1, 30),
    }[case.scenario]
    return case.protocol, case.peer, case.direction, str(size), str(count), str(pause)


@functools.cache
def outcomes(backend: str) -> dict[str, ProbeResult]:
    """Every case's outcome, measured once a test run."""
    with tempfile.TemporaryDirectory(prefix="qos-accuracy-") as folder, Lab() as lab:
        return Session(lab, backend, Path(folder)).run()


def _parameters() -> list[Any]:
    listed = []
    for backend in ("kernel", "divert"):
        for case in CASES:
            reason = UNREACHABLE.get((backend, case.name))
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            listed.append(pytest.param(backend, case, marks=marks, id=f"{backend}-{case.name}"))
    return listed


@pytest.mark.parametrize(("backend", "case"), _parameters())
def test_bytes_are_those_of_the_wire_and_the_right_application_s(backend: str, case: Case) -> None:
    require.linux_root()
    require.program("ip")
    require.program("ethtool")
    require.cgroup2()
    found = outcomes(backend)[case.name]
    rx, tx = found.truth.rx_bytes, found.truth.tx_bytes
    main, mine = (tx, found.app_tx) if case.direction == "sent" else (rx, found.app_rx)
    assert main > 400_000, found  # the case did move something
    assert mine == pytest.approx(main, rel=0.05), found
    assert found.app_rx + found.app_tx == pytest.approx(rx + tx, rel=0.05), found
    assert found.all_rx + found.all_tx == pytest.approx(rx + tx, rel=0.01), found
    assert found.lost == 0
