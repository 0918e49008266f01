"""Is the schedule alive, by its heartbeat file: ``python -m forecaster.serving.health DIR``, exit status 0 or 1."""

import json
import sys
from pathlib import Path
from typing import Final

from forecaster.serving.schedule import BEAT_S, HEARTBEAT
from qos.contract.documents.heartbeat import Heartbeat
from qos.system.clock import wall_ns

PATIENCE_NS: Final = int(6 * BEAT_S * 1e9)


def problem(data: Path, now_ns: int) -> str | None:
    """What is wrong with the schedule whose data directory this is, or None. ``now_ns`` is UTC."""
    path = data / HEARTBEAT
    try:
        beat = Heartbeat.parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        return f"{path}: {error}"
    if beat is None:
        return f"{path}: is no heartbeat"
    if beat.stopped:
        return "the schedule has stopped"
    age_ns = now_ns - beat.time_ns
    return None if age_ns <= PATIENCE_NS else f"no heartbeat for {age_ns // 10**9} s"


if __name__ == "__main__":
    found = problem(Path(sys.argv[1]), wall_ns())
    if found is not None:
        sys.stderr.write(found + "\n")
    raise SystemExit(found is not None)
