"""One job in a process of its own: ``python -m forecaster.serving.job round|networks|refresh --data DIR``.

``round`` judges every candidate and trains what is cheap; ``networks`` trains networks too, and waits (exit status 75)
while a game or a call runs, on battery, or while the processor is busy; ``refresh`` only forecasts. Leaves
``forecast/last_round.json`` for the schedule: how many series have a forecast, how far the shortest reaches, and the
hour with the least traffic.
"""

import argparse
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from forecaster.data.source import StoreSource, open_store
from forecaster.models.candidates import cost_of
from forecaster.quota.announce import QuotaAnnouncer
from forecaster.quota.outlook import read_outlooks
from forecaster.serving.busy import keep_busy_times, known_link
from forecaster.serving.points import PART
from forecaster.serving.round import FOLDER, Round, refresh, run_round
from forecaster.serving.schedule import POSTPONED, STATUS, read_json, write_json
from forecaster.training.keras_trainer import KerasTrainer, unavailable
from forecaster.training.machine import machine_state
from forecaster.training.priority import lower_priority
from forecaster.training.quiet import HOUR_NS, quietest_hour, why_not_now
from qos.contract.config import Config
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.contract.points import Event
from qos.service import set_up_logging, stop_with_parent
from qos.service.config_file import load_config
from qos.store import Store
from qos.system.clock import SYSTEM, Clock

log = logging.getLogger("forecaster")

KINDS: Final = ("round", "networks", "refresh")


def whole_round(
    config: Config,
    config_path: Path | None,
    data: Path,
    *,
    source: StoreSource = "auto",
    only: Sequence[str] | None = None,
    networks: bool = True,
    politely: bool = False,
    clock: Clock = SYSTEM,
    on_step: Callable[[str], None] = lambda text: None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Round:
    """A round on the store that the settings name. ``politely``: the rest is postponed as soon as somebody would be
    disturbed. Raises ConfigError, StoreUnavailable.
    """
    why_not = unavailable()
    asked = any(cost_of(name) == "network" for name in config.forecast.models)
    if why_not and asked and networks:
        log.warning("%s", why_not)
    with open_store(config, config_path, data, source) as store, KerasTrainer(on_epoch) as trainer:

        def postpone() -> str | None:
            return why_not_now(machine_state(store, clock.wall_ns())) if politely else None

        config = config.model_copy(update={"link": known_link(store, config)})
        done = run_round(
            store,
            config,
            data / FOLDER,
            clock,
            only=only,
            trainer=None if why_not else trainer,
            networks=networks,
            postpone=postpone,
            on_step=on_step,
        )
        keep_busy_times(store, done.results, config, clock.wall_ns())
        done = replace(done, events=(*done.events, *announce_quotas(store, config, data / FOLDER, clock)))
    note(data, done, clock, networks=networks and not done.postponed)
    return done


def announce_quotas(store: Store, config: Config, folder: Path, clock: Clock) -> Sequence[Event]:
    """Say which data volumes are expected to be used up, where that is news. Raises StoreUnavailable."""
    if not config.quota:
        return ()
    now_ns = clock.wall_ns()
    announcer = QuotaAnnouncer(folder)
    events = announcer.news(read_outlooks(store, config, now_ns), config.host, PART, now_ns)
    if events:
        store.write(events)
        announcer.keep()
    return events


def note(data: Path, done: Round, clock: Clock = SYSTEM, *, networks: bool = False) -> None:
    """Leave word of what was done."""
    before = read_json(data / STATUS) or {}
    reach = [o.prediction.times_ns[-1] - o.prediction.times_ns[0] for o in done.results if o.prediction is not None]
    if done.postponed and not done.results:
        # Nothing was made: what the last job made is still there.
        reach = [int(before.get("reach_ns") or 0)] * int(before.get("forecasts") or 0)
    document = {
        "time_ns": clock.wall_ns(),
        "forecasts": len(reach) + done.resumed,
        "reach_ns": min(reach, default=0),
        "seconds": done.seconds,
        "networks_ns": clock.wall_ns() if networks else before.get("networks_ns"),
        "quiet_hour": _quiet_hour(done, before.get("quiet_hour")),
        "postponed": done.postponed,
    }
    write_json(data / STATUS, document)


def _quiet_hour(done: Round, before: object) -> int | None:
    """UTC, from the traffic down of the first host; what was known before where this job read none."""
    for result in done.results:
        if result.series.name == "host_down" and result.frame is not None and result.evaluation is not None:
            frame = result.frame
            rows = frame.start_ns + np.arange(frame.rows) * frame.step_ns
            return quietest_hour((rows // HOUR_NS % 24).tolist(), frame.target.tolist())
    return before if isinstance(before, int) else None


def main(argv: Sequence[str] | None = None) -> int:
    """The process's exit status."""
    parser = argparse.ArgumentParser(prog="forecaster.serving.job")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(argv)
    set_up_logging("forecaster")
    _end_with_parent()
    lower_priority()
    try:
        config = load_config(given.config)
        if given.kind != "refresh":
            networks = given.kind == "networks"
            done = whole_round(config, given.config, given.data, networks=networks, politely=networks)
        else:
            with open_store(config, given.config, given.data, "auto") as store:
                config = config.model_copy(update={"link": known_link(store, config)})
                done = refresh(store, config, given.data / FOLDER, SYSTEM)
                keep_busy_times(store, done.results, config, SYSTEM.wall_ns())
                announce_quotas(store, config, given.data / FOLDER, SYSTEM)
            note(given.data, done)
    except ConfigError as error:
        for line in error.lines:
            log.error("%s", line)
        return 2
    except (StoreUnavailable, StoreRejected) as error:
        log.error("store: %s", error)
        return 1
    except Exception:  # the one catch-all of this process
        log.exception("the %s failed", given.kind)
        return 1
    made = sum(o.prediction is not None for o in done.results)
    log.info("%s: %d series forecast, %d points, %.0f s", given.kind, made, done.written, done.seconds)
    if done.postponed:
        log.info("the rest waits: %s", done.postponed)
        return POSTPONED
    return 0


def _end_with_parent() -> None:
    """A round half done leaves the last forecast in place: it may end at any moment, and does when its parent is
    gone."""
    gone = threading.Event()
    stop_with_parent(gone)

    def wait() -> None:
        gone.wait()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main())
