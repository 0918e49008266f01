"""Events of data volumes: the cap is predicted, the cap is reached. Once a month, and again when it comes nearer.

What was said is kept beside the models (``forecast/quota.json``).
"""

import json
import os
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from forecaster.quota import words
from forecaster.quota.outlook import QuotaOutlook
from forecaster.quota.usage import DAY_NS
from qos.contract.points import Event
from qos.contract.units import format_bytes

PREDICTED: Final = "quota_cap_predicted"
REACHED: Final = "quota_reached"
NEARER_NS: Final = 2 * DAY_NS
"""Said again when the cap is predicted so much earlier than when it was said last."""
NAME: Final = "quota.json"


class QuotaAnnouncer:
    """Which events are news."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        self._said: dict[str, Any] = found if isinstance(found, dict) else {}

    def news(
        self, outlooks: Sequence[QuotaOutlook], host: str, part: str, now_ns: int, zone: tzinfo | None = None
    ) -> list[Event]:
        """What is to be said now; a nanosecond apart, so that none replaces another."""
        events: list[Event] = []
        for one in outlooks:
            kind, said_ns = self._of(one)
            if kind is None:
                continue
            message = f"{one.name}: {format_bytes(one.volume_bytes)} a month are {words.cap(one, zone)}"
            events.append(
                Event(time_ns=now_ns + len(events), host=host, part=part, kind=kind, subject=one.name, message=message)
            )
            self._said[one.name] = {"start_ns": one.period.start_ns, "kind": kind, "when_ns": said_ns}
        return events

    def keep(self) -> None:
        """After the events were written. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        draft.write_text(json.dumps(self._said), encoding="utf-8")
        draft.replace(self._path)

    def _of(self, one: QuotaOutlook) -> tuple[str | None, int]:
        before = self._said.get(one.name)
        said = before if isinstance(before, dict) and before.get("start_ns") == one.period.start_ns else {}
        if one.crossed_ns is not None:
            return (None if said.get("kind") == REACHED else REACHED), one.crossed_ns
        known = one.forecast
        if known is None or known.reached_ns is None or known.chance < words.LIKELY:
            return None, 0
        when_ns = said.get("when_ns")
        news = not isinstance(when_ns, int) or known.reached_ns <= when_ns - NEARER_NS
        return (PREDICTED if news else None), known.reached_ns
