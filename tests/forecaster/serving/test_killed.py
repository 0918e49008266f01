"""A candidate that takes the whole process with it, or the memory: the next rounds go on, and say why it is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qos.store.sqlite.store import SqliteStore
from tests.forecaster.serving.test_round import history

ROOT = Path(__file__).parents[3]

ROUND = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
import forecaster.models.ridge, forecaster.models.window_quantiles  # before memory is short
from forecaster.models import candidates as registry
from forecaster.models.candidates import Candidate
from forecaster.serving import update
from forecaster.serving.round import run_round
from qos.store.sqlite.store import SqliteStore
from tests.fakes import FakeClock
from tests.forecaster.serving.test_round import NOW_NS, S, settings

folder, how, victim, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]

def killed(train, task, before):
    os.kill(os.getpid(), signal.SIGKILL)

def starved(fit):
    def short_of_memory(train, task, before):
        import resource
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (32 << 20), limits[1]))
        try:
            np.ones(64 << 20)  # half a gigabyte: the system says no
            return fit(train, task, before)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
    return short_of_memory

def broken(*args, **kwargs):
    chosen, missing = registry.candidates(*args, **kwargs)
    return tuple(
        Candidate(c.name, killed if how == "killed" else starved(c.fit)) if c.name == victim else c for c in chosen
    ), missing

update.candidates = broken
with SqliteStore(folder / "autoqos.db") as store:
    done = run_round(store, settings(models=names), folder / "forecast", FakeClock(wall=NOW_NS + S))
print(json.dumps({
    one.series.name: [one.prediction.model if one.prediction else None, dict(one.evaluation.left_out)]
    for one in done.results
}))
"""


def a_round(folder: Path, how: str, victim: str, names: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", ROUND, str(folder), how, victim, names]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("victim", ["window_quantiles", "ridge"])
def test_a_candidate_that_kills_the_process_is_left_out_after_the_second_time(victim: str, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(history(150))
    names = "naive, window_quantiles, ridge"
    deaths = 0
    while (done := a_round(tmp_path, "killed", victim, names)).returncode != 0:
        assert done.returncode == -9, done.stderr
        deaths += 1
        assert deaths <= 4, "two for each of the two series"
    found = json.loads(done.stdout)
    assert found
    for name, (model, left_out) in found.items():
        assert model is not None, name
        assert model != victim
        assert "ended the process 2 times" in left_out[victim]
    # Every series has a forecast in the store, and no half-written file lies about.
    with SqliteStore(tmp_path / "autoqos.db", read_only=True) as store:
        assert set(store.read("forecast", ["value"], by=["series"])["series"]) == {"host_down", "host_up"}
    assert not list((tmp_path / "forecast").glob("*.tmp"))


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS and /proc are Linux's")
@pytest.mark.parametrize("victim", ["naive", "window_quantiles", "ridge"])
def test_a_candidate_without_memory_is_left_out_and_the_others_serve(victim: str, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(history(150))
    done = a_round(tmp_path, "starved", victim, "naive, window_quantiles, ridge")
    assert done.returncode == 0, done.stderr
    for name, (model, left_out) in json.loads(done.stdout).items():
        assert model is not None, name
        assert model != victim
        assert left_out[victim].startswith("out of memory"), left_out
