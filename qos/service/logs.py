"""Logging of a part: one line on standard error, with the part's name; the supervisor collects it from there."""

import logging
import os
import sys
from typing import Final

_FORMAT: Final = "%(asctime)s {part} %(levelname)s %(message)s"


def set_up_logging(part: str, level: int | None = None) -> None:
    """Send the root logger to standard error. ``AUTOQOS_LOG`` (``DEBUG``, ``INFO``, …) overrides the level (INFO)."""
    name = os.environ.get("AUTOQOS_LOG", "").upper()
    chosen = level if level is not None else logging.getLevelNamesMapping().get(name, logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT.format(part=part), datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(chosen)
    logging.captureWarnings(capture=True)
