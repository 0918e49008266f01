"""The schedule: a new process per round, so that nothing of numpy or TensorFlow stays in memory between rounds.

This process imports neither. It starts ``python -m forecaster.serving.job``, waits, and says how it goes: as
``part:forecaster`` in the embedded store, and in ``forecast/heartbeat.json`` of the data directory (a container's
health check reads that). A round that fails is said and tried again; one that outlives its time is ended, and the
last forecast stays.
"""

import importlib.util
import json
import logging
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forecaster.training.priority import SINGLE_THREAD
from forecaster.training.quiet import DEFAULT_HOUR, HOUR_NS, next_training_ns
from qos.contract.config import Config
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.environment import SUPERVISED
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.service import child_command, store_path
from qos.service.watcher import ConfigWatcher
from qos.shipping.settings import forecaster_place
from qos.system import clock
from qos.system.process_start import process_start

log = logging.getLogger("forecaster")

START_NS: Final = 20 * 10**9
"""After the start everything else comes first."""
RETRY_NS: Final = 300 * 10**9
"""After a round that failed or had nothing to forecast yet."""
LEAST_NS: Final = 60 * 10**9
"""Between two refreshes."""
LONGEST_NS: Final = 3600 * 10**9
POSTPONE_NS: Final = 900 * 10**9
"""After somebody would have been disturbed by training networks, and after that failed."""
POSTPONED: Final = 75
"""Exit status of a job that waits for a calmer moment (``EX_TEMPFAIL`` of sysexits.h)."""
BEAT_S: Final = 30.0
POLL_S: Final = 1.0
"""How often the settings file is looked at: ``forecast.every`` may be edited while this runs."""
HEARTBEAT: Final = Path("forecast") / "heartbeat.json"
STATUS: Final = Path("forecast") / "last_round.json"
"""What the last job found: written by ``forecaster.serving.job``."""


@dataclass(frozen=True)
class Job:
    """What to do next and when (monotonic, ns)."""

    kind: str
    """``round``, ``networks`` or ``refresh``."""
    due_ns: int


def next_job(
    *,
    now_ns: int,
    round_began_ns: int | None,
    done: dict[str, Any] | None,
    failed: bool,
    every_ns: int,
    networks_due_ns: int | None = None,
) -> Job:
    """The next job after one has ended. Pure; times are monotonic, ns.

    ``round_began_ns``: the last whole round. ``done``: what the last job found (``forecasts``, ``reach_ns``: how
    far ahead the shortest forecast reaches). Between rounds the forecast is refreshed whenever it has been lived
    through. ``networks_due_ns``: when networks are to be trained; None: never.
    """
    if failed or done is None or not done.get("forecasts"):
        return Job("round", now_ns + min(RETRY_NS, every_ns))
    round_due = (round_began_ns if round_began_ns is not None else now_ns) + every_ns
    refresh_due = now_ns + max(LEAST_NS, int(done.get("reach_ns") or every_ns))
    job = Job("refresh", refresh_due) if refresh_due < round_due else Job("round", max(round_due, now_ns))
    if networks_due_ns is not None and networks_due_ns < job.due_ns:
        return Job("networks", max(networks_due_ns, now_ns))
    return job


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Rounds until ``stop`` is set; the process's exit status. Raises nothing: a round that fails is logged."""
    beat = _Reporter(config, data)
    if config.forecast.where == "here" and os.environ.get("INFLUX_URL") and not os.environ.get(SUPERVISED):
        # The container beside InfluxDB, but each computer makes its own: two would write the same series.
        log.info("forecast.where is `here`: each computer's `autoqos up` makes its forecasts, nothing to do here")
        while not stop.is_set():
            beat.say("resting", "forecast.where is here")
            stop.wait(BEAT_S)
        return 0
    watcher = ConfigWatcher(config_path)
    job = Job("round", clock.monotonic_ns() + START_NS)
    round_began_ns: int | None = None
    ended_ns, failed, postponed_ns = clock.monotonic_ns(), False, 0

    def following() -> Job:
        done = read_json(data / STATUS)
        return next_job(
            now_ns=ended_ns,
            round_began_ns=round_began_ns,
            done=done,
            failed=failed,
            every_ns=config.forecast.every,
            networks_due_ns=_networks_due_ns(config, done, postponed_ns),
        )

    while not stop.is_set():
        if (change := watcher.poll()) is not None:
            for line in change.errors:
                log.warning("%s", line)
            changed = change.config is not None and change.config.forecast != config.forecast
            config = change.config or config
            if changed and round_began_ns is not None:
                job = following()
        wait_s = (job.due_ns - clock.monotonic_ns()) / 1e9
        if wait_s > 0:
            beat.say("waiting", f"next {job.kind} in {wait_s / 60:.0f} min")
            stop.wait(min(wait_s, POLL_S))
            continue
        began_ns = clock.monotonic_ns()
        status = _run_job(job.kind, config_path, data, stop, beat)
        if status is None:
            break
        if status not in (0, POSTPONED):
            log.warning("the %s ended with status %d: the last forecast stays", job.kind, status)
        if job.kind != "refresh":
            round_began_ns = began_ns
        ended_ns, failed = clock.monotonic_ns(), status not in (0, POSTPONED)
        if job.kind == "networks":
            wait_ns = {0: 0, POSTPONED: POSTPONE_NS}.get(status, HOUR_NS)
            postponed_ns = ended_ns + wait_ns if wait_ns else 0
        job = following()
    beat.say("stopped", "")
    return 0


def _networks_due_ns(config: Config, done: dict[str, Any] | None, not_before_ns: int) -> int | None:
    """When networks are to be trained (monotonic, ns); None where none is asked for or can be trained."""
    if not {"lstm", "lstm_hybrid"} & set(config.forecast.models) or importlib.util.find_spec("tensorflow") is None:
        return None
    known = done or {}
    wall_ns = clock.wall_ns()
    hour = known.get("quiet_hour")
    due_ns = next_training_ns(
        now_ns=wall_ns, last_ns=known.get("networks_ns"), quiet_hour=hour if isinstance(hour, int) else DEFAULT_HOUR
    )
    return max(clock.monotonic_ns() + due_ns - wall_ns, not_before_ns)


def _run_job(kind: str, config_path: Path | None, data: Path, stop: threading.Event, beat: "_Reporter") -> int | None:
    """Its exit status; None when it was ended because of ``stop``."""
    settings = ["--config", str(config_path.absolute())] if config_path is not None else []
    arguments = (kind, "--data", str(data.absolute()), *settings)
    child = child_command("forecaster.serving.job", *arguments, env={SUPERVISED: "1", **SINGLE_THREAD})
    # A pipe as standard input: the job ends when this process does, however that happens.
    process = subprocess.Popen(child.argv, cwd=child.cwd, env=child.env, stdin=subprocess.PIPE)
    assert process.stdin is not None
    began_ns = clock.monotonic_ns()
    try:
        while process.poll() is None:
            spent_ns = clock.monotonic_ns() - began_ns
            beat.say(
                "refreshing" if kind == "refresh" else "training", f"for {spent_ns / 60e9:.0f} min", pid=process.pid
            )
            if spent_ns > LONGEST_NS:
                log.warning("the %s takes longer than %d min: ended", kind, LONGEST_NS // 60_000_000_000)
                return 1
            if stop.wait(0.2 if spent_ns < 5 * 10**9 else 1.0):
                return None
        return process.returncode
    finally:
        process.stdin.close()
        if process.poll() is None:
            process.kill()
        process.wait()


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None when there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class _Reporter:
    """Writes the heartbeat when what it says changes, and every half minute."""

    def __init__(self, config: Config, data: Path) -> None:
        self._file = data / HEARTBEAT
        self._store = store_path(data) if forecaster_place(config).where == "here" else None
        self._last: tuple[int, str, str] = (0, "", "")

    def say(self, state: str, detail: str, **extra: Any) -> None:
        now_ns = clock.monotonic_ns()
        last_ns, *last = self._last
        # A training's detail counts minutes: told with the next beat. What is waited for is told at once.
        same = [state, detail] == last or (state == last[0] and state != "waiting")
        if same and now_ns - last_ns < BEAT_S * 1e9:
            return
        self._last = (now_ns, state, detail)
        document = Heartbeat(
            pid=os.getpid(),
            start=process_start(os.getpid()) or 0,
            time_ns=clock.wall_ns(),
            state=state,
            detail=detail,
            every_ns=int(BEAT_S * 1e9),
            report={f"job_{key}": value for key, value in extra.items()},
        ).dump()
        if self._store is not None and self._store.exists():
            from qos.store.sqlite.store import SqliteStore

            try:
                with SqliteStore(self._store) as store:
                    store.set_state(Heartbeat.PREFIX + "forecaster", document)
            except (StoreUnavailable, StoreRejected) as error:
                log.warning("the heartbeat could not be written: %s", error)
        try:
            write_json(self._file, document)
        except OSError as error:
            log.warning("%s: cannot be written: %s", self._file, error.strerror)


def write_json(path: Path, document: Any) -> None:
    """Replace the file at once. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)
