"""A soak of the outbox: the server killed, stopped, filled and replaced at random, the parts too; equal at the end?

    python -m bench.soak --minutes 30 [--influxd PATH] [--seed N]

A writer process (the collector's place) writes some 60 rows a second and keeps the roll-ups; ``autoqos shipper`` ships
them to an InfluxDB 2.x (``--influxd``; without it Debian's 1.6.7) with its data on a small tmpfs. Every 5-20 s one of:
``kill -9`` of the server, SIGSTOP for a while, SIGSTOP nine tenths of the time, the disk full, a fresh server in its
place, the shipper killed or stopped, the writer stopped and started beside the shipper. ``/proc/locks`` is looked at
all the time. At the end everything heals; what came since the last fresh server has to be there by itself, then
``autoqos ship`` sends the rest again, and store and server are compared row by row, and the coarse history value by
value with what the raw rows give. Needs root (tmpfs).
JSON on stdout; exit status 1 when a row is missing, doubled or different.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.soak.course import Soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--influxd", help="an InfluxDB 2.x server program; without it Debian's influxdb 1.6.7")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autoqos-soak-") as folder:
        soak = Soak(Path(folder), arguments.influxd, arguments.seed)
        try:
            result = soak.run(arguments.minutes)
        finally:
            soak.close()
    print(json.dumps({"seed": arguments.seed, **result}, indent=2))
    bad = (
        *("missing", "doubled_or_strange", "different", "before_ship_missing", "before_ship_different"),
        *("coarse_missing", "coarse_strange", "coarse_different", "without_lock"),
    )
    return int(any(result[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
