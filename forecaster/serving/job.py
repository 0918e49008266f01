"""One round or refresh in a process of its own: ``python -m forecaster.serving.job round|refresh --data DIR [--config
FILE]``.

Leaves ``forecast/last_round.json`` for the schedule: how many series have a forecast, and how far the shortest
reaches.
"""

import argparse
import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from forecaster.data.source import StoreSource, open_store
from forecaster.serving.round import FOLDER, Round, refresh, run_round
from forecaster.serving.schedule import STATUS, write_json
from forecaster.training.keras_trainer import KerasTrainer, unavailable
from qos.contract.config import Config
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.service import set_up_logging, stop_with_parent
from qos.service.config_file import load_config
from qos.system.clock import SYSTEM

log = logging.getLogger("forecaster")

_LEARNED = {"lstm", "lstm_hybrid"}


def whole_round(
    config: Config,
    config_path: Path | None,
    data: Path,
    *,
    source: StoreSource = "auto",
    only: Sequence[str] | None = None,
    on_step: Callable[[str], None] = lambda text: None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Round:
    """A round on the store that the settings name. Raises ConfigError, StoreUnavailable."""
    why_not = unavailable()
    if why_not and _LEARNED & set(config.forecast.models):
        log.warning("%s", why_not)
    with open_store(config, config_path, data, source) as store, KerasTrainer(on_epoch) as trainer:
        done = run_round(
            store, config, data / FOLDER, SYSTEM, only=only, trainer=None if why_not else trainer, on_step=on_step
        )
    note(data, done)
    return done


def note(data: Path, done: Round) -> None:
    """Leave word of what was done."""
    reach = [o.prediction.times_ns[-1] - o.prediction.times_ns[0] for o in done.results if o.prediction is not None]
    shortest = min(reach, default=0)
    write_json(
        data / STATUS,
        {"time_ns": SYSTEM.wall_ns(), "forecasts": len(reach), "reach_ns": shortest, "seconds": done.seconds},
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The process's exit status."""
    parser = argparse.ArgumentParser(prog="forecaster.serving.job")
    parser.add_argument("kind", choices=("round", "refresh"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(argv)
    set_up_logging("forecaster")
    _end_with_parent()
    try:
        config = load_config(given.config)
        if given.kind == "round":
            done = whole_round(config, given.config, given.data)
        else:
            with open_store(config, given.config, given.data, "auto") as store:
                done = refresh(store, config, given.data / FOLDER, SYSTEM)
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
