"""A training process yields: at least nice 10 and idle disk access, and never a higher priority than it was given."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from forecaster.training.keras_trainer import FOLDER_PREFIX, KerasTrainer, remove_abandoned
from forecaster.training.priority import NICE, SINGLE_THREAD, lower_priority, single_thread

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(sys.platform == "win32", reason="nice values are POSIX's; Windows has classes")


@posix
@pytest.mark.parametrize(("before", "after"), [(0, NICE), (5, NICE), (10, 10), (19, 19)])
def test_it_is_made_nicer_and_never_less_nice(before: int, after: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if own > before:
        before, after = own, max(own, after)  # this run is nice already, and only root may take that back
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        psutil.Process(child.pid).nice(before)
        lower_priority(child.pid)
        assert psutil.Process(child.pid).nice() == after
        if sys.platform == "linux":
            assert psutil.Process(child.pid).ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
    finally:
        child.communicate(b"\n")


def test_a_process_that_is_gone_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    lower_priority(child.pid)


def test_numerical_libraries_stay_on_one_thread_unless_a_person_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SINGLE_THREAD:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    single_thread()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_a_killed_round_leaves_no_training_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from forecaster.training.keras_trainer import KerasTrainer; import os, signal\n"
        "trainer = KerasTrainer(); print(trainer._folder.name, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    if sys.platform == "win32":
        code = code.replace("signal.SIGKILL", "signal.SIGTERM")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)},
    )
    left = Path(done.stdout.strip())
    assert left.is_dir()
    assert left.parent == tmp_path
    assert left.name.startswith(FOLDER_PREFIX)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = tmp_path / f"{FOLDER_PREFIX}{os.getpid()}-here"
    mine.mkdir()
    strange = tmp_path / f"{FOLDER_PREFIX}nobody"
    strange.mkdir()
    # The next trainer, whoever starts it, removes what belongs to nobody any more, and leaves what somebody uses.
    with KerasTrainer():
        assert not left.exists()
        assert not strange.exists()
        assert mine.is_dir()
    remove_abandoned()
    assert [path for path in tmp_path.iterdir() if path != mine] == []
