"""One part's process: lock, log, ways to stop, then its entry point. Kept light: this is what runs all day.

A supervised part is started as ``python -m console PART --config FILE --data DIR`` and comes through here without the
command line's libraries; ``autoqos collector`` typed by a person ends here too.
"""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from console.supervisor.parts import MODULES, entry
from qos.contract.environment import SUPERVISED
from qos.contract.errors import ConfigError
from qos.service import (
    data_dir,
    instance_lock,
    keep_files_private,
    make_data_dir,
    set_up_logging,
    stop_on_signals,
    stop_with_parent,
)
from qos.service.config_file import find_config, load_config


def run_part(part: str, config_path: Path | None, data: Path | None) -> int:
    """Run one part until it is told to stop; the process's exit status. Raises ConfigError."""
    path = find_config(config_path)
    config = load_config(path)
    keep_files_private()
    directory = make_data_dir(data_dir(config, data), config.data_group)
    set_up_logging(part)
    with instance_lock(directory, part):
        stop = threading.Event()
        stop_on_signals(stop)
        stop_with_parent(stop)
        try:
            return entry(part)(config, path, directory, stop)
        except ConfigError:
            raise
        except Exception:  # the one catch-all of this process
            logging.getLogger(part).exception("%s stopped by an error of its own", part)
            return 1


def plain_arguments(
    argv: Sequence[str], known: Sequence[str] = tuple(MODULES)
) -> tuple[str, Path | None, Path | None] | None:
    """``PART [--config FILE] [--data DIR]`` and nothing else, or None: then the command line's parser takes over."""
    if not argv or argv[0] not in known:
        return None
    options: dict[str, Path] = {}
    rest = list(argv[1:])
    while rest:
        name, *rest = rest
        if name not in ("--config", "--data") or name in options or not rest:
            return None
        options[name] = Path(rest.pop(0))
    return argv[0], options.get("--config"), options.get("--data")


def main(argv: Sequence[str]) -> int | None:
    """Run ``argv`` if it is a plain call of a part; None when it is not."""
    plain = plain_arguments(argv)
    if plain is None or (plain[0] == "page" and os.environ.get(SUPERVISED) != "1"):
        return None  # `autoqos page` typed by a person also prints and opens an address
    try:
        return run_part(*plain)
    except ConfigError as error:
        sys.stderr.write("".join(f"autoqos: {line}\n" for line in error.lines))
        return 2
