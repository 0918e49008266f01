"""Levels on a full line."""

import statistics
import sys
import time
from typing import Any

from bench.enforcer.process import here
from tests.enforcer.rig import MBIT, Rig, per_second_bps, result_of
from tests.lab import Lab


def shares(seconds: float) -> dict[str, Any]:
    """Three bulk applications on levels 2, 4, 5 under a 20 Mbit/s setting on a 24 Mbit/s line, collector running."""
    apps = {"bulka": 2, "bulkb": 4, "bulkc": 5}
    rules = "".join(f"- {{match: {app}, priority: {level}}}\n" for app, level in apps.items())
    with (
        Lab(down_mbit=24, up_mbit=24, buffer_ms=100) as lab,
        Rig(lab, f"link: {{down: 20mbit}}\napps:\n{rules}") as rig,
    ):
        with rig.log.open("a", encoding="utf-8") as log:
            command = ["-m", "console", "collector", "--config", str(rig.config), "--data", str(rig.data)]
            lab.start("host", sys.executable, *command, stderr=log, env=here())
        rig.until(lambda: rig.store.get_state("live"), "the collector", 30)
        clients = {
            app: rig.begin("-R", "-t", str(int(seconds) + (8 if app != "bulka" else 4)), app=app) for app in apps
        }
        time.sleep(3)
        before, then = lab.counters(), time.monotonic()
        time.sleep(seconds)
        wire = (lab.counters() - before).rx_bytes * 8 / (time.monotonic() - then)
        results = {"bulka": result_of(clients["bulka"].communicate()[0])}
        ended, borrowed = time.monotonic(), None
        while borrowed is None and time.monotonic() - ended < 3:
            others = [rig.limits()["apps"].get(app, {}).get("demand_down_bps") or 0 for app in ("bulkb", "bulkc")]
            if sum(others) >= 19 * MBIT:
                borrowed = round(time.monotonic() - ended, 2)
            time.sleep(0.05)
        results |= {app: result_of(clients[app].communicate()[0]) for app in ("bulkb", "bulkc")}
    steady = {app: statistics.mean(per_second_bps(result)[3 : 3 + int(seconds)]) for app, result in results.items()}
    total = sum(steady.values())
    after = [a + b for a, b in zip(per_second_bps(results["bulkb"]), per_second_bps(results["bulkc"]), strict=False)]
    return {
        "shares": {app: round(rate / total, 3) for app, rate in steady.items()},
        "shares_by_weight": {"bulka": round(30 / 45, 3), "bulkb": round(10 / 45, 3), "bulkc": round(5 / 45, 3)},
        "percent_of_setting_used_on_the_wire": round(wire / 20 / MBIT * 100, 1),
        "seconds_until_the_others_move_95_percent_of_the_setting": borrowed,
        "the_other_two_mbit_per_second_after_the_first_ends": [round(x / MBIT, 1) for x in after[int(seconds) + 3 :]],
    }
