"""How far a round is: ``forecast/round.json``. What was ended in the middle goes on where it was.

It also remembers what a round was doing when its process was killed: a candidate during which that happened twice is
not tried for a day (it is likely to have taken the machine's memory).
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from forecaster.data.series import SeriesId

NAME: Final = "round.json"
BARRED_NS: Final = 86_400 * 10**9
DEATHS: Final = 2


class RoundJournal:
    """One round, on disk after every step. ``now_ns`` is UTC."""

    def __init__(self, folder: Path, kind: str, now_ns: int, *, resume_ns: int) -> None:
        self._path = folder / NAME
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            document: dict[str, Any] = found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            document = {}
        self._deaths = _counts(document.get("deaths"))
        self._barred = {key: at for key, at in _counts(document.get("barred")).items() if now_ns - at < BARRED_NS}
        doing = document.get("doing")
        if isinstance(doing, str) and doing:
            self._deaths[doing] = self._deaths.get(doing, 0) + 1
            if self._deaths[doing] >= DEATHS:
                self._barred[doing] = now_ns
                del self._deaths[doing]
        began_ns = document.get("began_ns")
        self.resumed = (
            isinstance(began_ns, int)
            and document.get("kind") == kind
            and not document.get("finished", True)
            and 0 <= now_ns - began_ns < resume_ns
        )
        self.began_ns = int(began_ns) if self.resumed and isinstance(began_ns, int) else now_ns
        self.done = {str(key) for key in document.get("done", [])} if self.resumed else set()
        self._kind, self._doing, self._finished = kind, "", False

    def barred(self, series: SeriesId) -> dict[str, str]:
        """Candidates not to be tried for this series, with the reason."""
        prefix = f"{series.host}/{series.name}/"
        why = f"its training ended the process {DEATHS} times (too little memory?): not tried for a day"
        return {key.removeprefix(prefix): why for key in self._barred if key.startswith(prefix)}

    def trying(self, series: SeriesId, model: str) -> None:
        """Said before each training."""
        self._doing = f"{series.host}/{series.name}/{model}"
        self._write()

    def finished_series(self, series: SeriesId) -> None:
        """Its forecast is published."""
        self.done.add(f"{series.host}/{series.name}")
        self._doing = ""
        self._deaths = {
            key: count for key, count in self._deaths.items() if not key.startswith(f"{series.host}/{series.name}/")
        }
        self._write()

    def interrupted(self) -> None:
        """An orderly end in the middle: nobody's fault."""
        self._doing = ""
        self._write()

    def finish(self) -> None:
        """The whole round is done."""
        self._doing, self._finished = "", True
        self._write()

    def _write(self) -> None:
        document = {
            "kind": self._kind,
            "began_ns": self.began_ns,
            "done": sorted(self.done),
            "doing": self._doing,
            "finished": self._finished,
            "deaths": self._deaths,
            "barred": self._barred,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(document), encoding="utf-8")
        draft.replace(self._path)


def _counts(found: object) -> dict[str, int]:
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, int)}
