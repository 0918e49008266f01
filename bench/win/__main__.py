"""Do the important applications win, and is the line used? Real packets in namespaces, JSON, and a plot a scenario.

    sudo python -m bench.win [--modes nothing,auto,link,whole] [--seconds 25] [--plots FOLDER] [SCENARIO ...]
    sudo python -m bench.win --random 5 --seed 1        five scenarios drawn from the grid

A call (100 packets a second each way, level 1), a browser's download (level 3), a bulk download and a backup (level 5)
share a bottleneck with a deep buffer. The call's own packets are what is timed; "extra" is above their median on the
idle line. Modes: ``nothing``; ``auto`` (nothing set, nothing known); ``known`` (auto, after a first busy spell);
``link`` (``link:`` set to 95 %); ``whole`` (one limit of 95 % for the whole line, knowing no applications);
``traffictoll`` (with --traffictoll TT and the right static limits).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.win.plot import plot
from bench.win.run import run
from bench.win.scenarios import SCENARIOS, drawn
from tests.enforcer.rig import Rig, required


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help=f"of {' '.join(SCENARIOS)}; base by default")
    parser.add_argument("--modes", default="nothing,whole,auto,known,link")
    parser.add_argument("--seconds", type=float, help="of load; each scenario's own by default")
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--random", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traffictoll", metavar="TT", help="TrafficToll's program, for the mode traffictoll")
    parser.add_argument("--datapath", default="auto", choices=["auto", "kernel", "divert"])
    parser.add_argument("--series", action="store_true", help="with every sample")
    options = parser.parse_args()
    Rig.default_datapath = options.datapath
    required()
    chosen = [SCENARIOS[name] for name in options.scenarios] + drawn(options.seed, options.random)
    rows: list[dict[str, Any]] = []
    for scenario in chosen or [SCENARIOS["base"]]:
        results = []
        for mode in options.modes.split(","):
            try:
                results.append(run(scenario, mode, options.seconds, options.traffictoll))
            except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
                row = {"scenario": scenario.name, "mode": mode, "error": str(error)[-1500:]}
                rows.append(row)
                print(json.dumps(row), flush=True)
        if options.plots and results:
            plot(results, options.plots)
        for result in results:
            if not options.series:
                del result["series"]
            rows.append(result)
            print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
