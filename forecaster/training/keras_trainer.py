"""The other end of ``keras_process``: starts it, hands it jobs, reads weights back. Imports no TensorFlow.

One process trains a few networks and is then replaced (TensorFlow's memory grows with every graph). It runs at a
lower priority, so that training never takes the machine from its owner. A killed or failing trainer is a
TrainingError; the caller serves a baseline.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
import psutil

from forecaster.models.model import Trained, TrainingError
from forecaster.training.priority import lower_priority
from qos.service import child_command

JOBS_PER_PROCESS: Final = 80
FOLDER_PREFIX: Final = "autoqos-train-"


def remove_abandoned() -> None:
    """Folders of job files whose process is gone: a killed round could not remove its own."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if not pid.isdigit() or not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def unavailable() -> str | None:
    """Why nothing can be trained here, or None."""
    if importlib.util.find_spec("tensorflow") is not None:
        return None
    if sys.version_info >= (3, 14):
        return "TensorFlow has no release for Python 3.14: baselines serve"
    return "TensorFlow is not installed (pip install 'autoqos[forecast]'): baselines serve"


class KerasTrainer:
    """Trains networks, one after the other. A context manager: leaving it ends the process and removes its files."""

    def __init__(self, on_epoch: Callable[[int, int], None] | None = None) -> None:
        self._on_epoch = on_epoch
        self._process: subprocess.Popen[str] | None = None
        self._jobs = 0
        remove_abandoned()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")

    def __enter__(self) -> "KerasTrainer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The training process, while there is one."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Ends the process and removes the job files."""
        self._end()
        self._folder.cleanup()

    def train(self, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Trained:
        """Trains one network and waits for it. Raises TrainingError."""
        if self._process is None or self._jobs >= JOBS_PER_PROCESS:
            self._end()
            self._start()
        self._jobs += 1
        job = Path(self._folder.name) / f"job{self._jobs}.npz"
        small: dict[str, Any] = {name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()}
        np.savez(job, settings=np.array(json.dumps(dict(settings))), **small)
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{job}\n")
            self._process.stdin.flush()
        except OSError as error:
            raise TrainingError(f"the training process is gone: {error}") from None
        result = self._answer()
        with np.load(result, allow_pickle=False) as data:
            losses = json.loads(str(data["losses"]))
            weights = {name: data[name].astype(np.float64) for name in data.files if name != "losses"}
        job.unlink()
        result.unlink()
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise TrainingError("training diverged: weights are not finite")
        start = losses["start"]
        return Trained(weights, tuple(losses["loss"]), tuple(losses["val_loss"]), start[0] if start else None)

    def _start(self) -> None:
        child = child_command("forecaster.training.keras_process", env={"OMP_NUM_THREADS": "1"})
        self._process = subprocess.Popen(
            child.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            cwd=child.cwd,
            env=child.env,
        )
        self._jobs = 0
        lower_priority(self._process.pid)

    def _answer(self) -> Path:
        assert self._process is not None
        stream: IO[str] | None = self._process.stdout
        assert stream is not None
        for line in stream:
            message = json.loads(line)
            if "epoch" in message and self._on_epoch is not None:
                self._on_epoch(message["epoch"], message["of"])
            if "error" in message:
                raise TrainingError(message["error"])
            if "done" in message:
                return Path(message["done"])
        code = self._process.wait()
        self._end()
        raise TrainingError(f"the training process ended with status {code}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # flushes into a pipe that may be gone
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
