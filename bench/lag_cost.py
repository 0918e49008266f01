"""What the lag detector costs: processor time a second and memory, with 30 applications and 4 targets; JSON.

    python bench/lag_cost.py [--minutes 60]

The detector is fed made-up ticks of one second and three looks between them (pure, no packets): calm, an incident of an
application, calm again.
The gateway's probe is one echo a second to this computer itself: sending, waiting, taking.
"""

import argparse
import json
import random
import sys
import threading
import time
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from collector.lag.detector import LagDetector  # noqa: E402 - the repository's root is put on the path above
from collector.lag.samples import KnownCapacity, LagTick, Rates, RoundTrip  # noqa: E402 - idem
from collector.probes.ask import Asker  # noqa: E402 - idem

S, MS = 10**9, 10**6
TARGETS = ("a", "b", "c", "gateway")


def tick(now_ns: int, draw: random.Random, *, late: bool) -> LagTick:
    apps = {f"app{n}": Rates(draw.randint(1_000, 400_000), draw.randint(500, 40_000)) for n in range(29)}
    apps["steam"] = Rates(38_000_000 if late else 300_000, 500_000 if late else 4_000)
    trips = tuple(
        RoundTrip(
            name,
            now_ns - (4 - at) * S // 4,
            int((20 + 4 * draw.random() + (180 if late and name != "gateway" else 0)) * MS),
            name == "gateway",
        )
        for at, name in enumerate(TARGETS)
    )
    host = Rates(sum(r.down_bps for r in apps.values()), sum(r.up_bps for r in apps.values()))
    capacity = {"down": KnownCapacity(45_000_000, "set"), "up": KnownCapacity(10_000_000, "set")}
    return LagTick(now_ns, S, trips, apps, host, capacity=capacity)  # type: ignore[arg-type]  # directions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    seconds = parser.parse_args().minutes * 60
    draw, detector, now_ns = random.Random(1), LagDetector(), 10**15
    detector.watch(TARGETS, "gateway")
    spent: dict[str, list[float]] = {"calm": [], "incident": []}
    for second in range(seconds):
        now_ns += S
        late = second % 600 >= 480  # two minutes of every ten
        made = tick(now_ns, draw, late=late)
        began = time.process_time()
        for quarter in (1, 2, 3):
            detector.glance(now_ns - S + quarter * S // 4, made.round_trips[quarter - 1 : quarter])
        detector.feed(made)
        if second > 60:
            spent["incident" if detector.running is not None else "calm"].append(time.process_time() - began)
    tracemalloc.start()
    kept, before = LagDetector(), tracemalloc.get_traced_memory()[0]
    kept.watch(TARGETS, "gateway")
    for second in range(900):
        now_ns += S
        kept.feed(tick(now_ns, draw, late=second % 600 >= 480))
    bytes_kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    asker, asked = Asker(), 0
    asker("127.0.0.1", S, 1)
    began = time.process_time()
    for seq in range(200):
        thread = threading.Thread(target=asker, args=("127.0.0.1", S, seq))
        thread.start()
        thread.join()
        asked += 1
    probe_ms = (time.process_time() - began) / asked * 1e3
    report = {
        name: {
            "ms_a_second": round(1e3 * sum(values) / len(values), 3),
            "percent_of_a_core": round(100 * sum(values) / len(values), 4),
            "worst_ms": round(1e3 * max(values), 2),
            "seconds": len(values),
        }
        for name, values in spent.items()
    }
    print(json.dumps(report | {"memory_kb": bytes_kept // 1024, "gateway_probe_ms": round(probe_ms, 3)}, indent=1))


if __name__ == "__main__":
    main()
