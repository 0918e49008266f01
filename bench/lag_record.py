"""The collector as bench/lag.py runs it, with all that its lag detector is fed written down; and its replay.

    python bench/lag_record.py FILE collector --config …

Each line of FILE is one call: ``feed`` with its tick, ``watch`` or ``interrupt``, with the wall time of its tick.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from collector.lag.detector import Incident, LagDetector  # noqa: E402 - the repository's root is put on the path above
from collector.lag.samples import HeldApp, KnownCapacity, LagTick, Rates, RoundTrip  # noqa: E402 - idem


def replay(file: Path) -> Iterator[tuple[float, tuple[Incident, ...], Incident | None, LagTick | None]]:
    """Feed what was recorded to a new detector: (wall time, changed incidents, the running one, the tick)."""
    detector = LagDetector()
    for line in file.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        found: tuple[Incident, ...] = ()
        tick = None
        if call["call"] == "watch":
            detector.watch(call["targets"], call["gateway"])
        elif call["call"] == "interrupt":
            found = detector.interrupt(call["now_ns"], call["why"], network=call["network"])
        else:
            tick = _tick(call["tick"])
            found = detector.feed(tick)
        yield call["wall"], found, detector.running, tick


def _tick(fields: Mapping[str, Any]) -> LagTick:
    return LagTick(
        now_ns=fields["now_ns"],
        elapsed_ns=fields["elapsed_ns"],
        round_trips=tuple(RoundTrip(**trip) for trip in fields["round_trips"]),
        apps={app: Rates(**rates) for app, rates in fields["apps"].items()},
        host=Rates(**fields["host"]),
        unattributed=Rates(**fields["unattributed"]),
        capacity={way: KnownCapacity(**capacity) for way, capacity in fields["capacity"].items()},
        held={app: HeldApp(**held) for app, held in fields.get("held", {}).items()},
        stalled=fields["stalled"],
    )


class _Recorder(LagDetector):
    """A detector that writes down what it is asked."""

    out = sys.stdout

    def _say(self, call: str, **fields: Any) -> None:
        print(json.dumps({"wall": time.time(), "call": call} | fields), file=self.out, flush=True)

    def watch(self, targets: Any, gateway: str | None) -> None:
        self._say("watch", targets=list(targets), gateway=gateway)
        super().watch(targets, gateway)

    def interrupt(self, now_ns: int, why: str, *, network: bool = False) -> tuple[Incident, ...]:
        self._say("interrupt", now_ns=now_ns, why=why, network=network)
        return super().interrupt(now_ns, why, network=network)

    def feed(self, tick: LagTick) -> tuple[Incident, ...]:
        self._say("feed", tick=asdict(tick))
        return super().feed(tick)


def main() -> None:
    import collector.lag_watch
    from console.cli import main as run

    with open(sys.argv[1], "w", encoding="utf-8") as out:
        _Recorder.out = out
        setattr(collector.lag_watch, "LagDetector", _Recorder)  # noqa: B010 - mypy knows no such export
        sys.argv[:2] = []
        sys.argv.insert(0, "autoqos")
        run()


if __name__ == "__main__":
    main()
