"""How long each panel takes on 30 days of one computer with 50 applications, on a real InfluxQL engine.

``uv run python bench/dashboards.py`` starts influxdb 1.6.7 (or uses ``AUTOQOS_TEST_INFLUX_URL``), writes a day of
rows (``--step`` seconds apart) and 30 days of 5-minute and hourly windows, and runs every target of every panel at each
range, all targets of a panel in turn as one browser would. Prints JSON: seconds per panel, the slowest first.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.grafana import history  # noqa: E402
from tests.grafana.coarse import policies  # noqa: E402
from tests.grafana.sse import interval_ms, substitute  # noqa: E402
from tests.servers import InfluxQL, influxql  # noqa: E402

RANGES_H = {"15m": 0.25, "6h": 6, "24h": 24, "30d": 720, "2y": 17520}
S = 10**9
APPS = 50


def measure(database: InfluxQL, now_ns: int, detail: str, ranges: dict[str, float]) -> dict[str, object]:
    """Seconds of every panel at every range, the worst first."""
    result: dict[str, object] = {}
    for name, hours in ranges.items():
        took = []
        for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
            for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
                window = interval_ms(int(hours * 3_600_000), panel.get("maxDataPoints", 300), 5000)
                start = time.perf_counter()
                for target in panel.get("targets", []):
                    first = now_ns - int(hours * 3600) * S
                    database.query(substitute(target["query"], first, now_ns, window, detail))
                took.append((round(time.perf_counter() - start, 3), f"{path.stem}: {panel['title']}"))
        took.sort(reverse=True)
        result[name] = {"panels": len(took), "worst_s": took[0][0], "slowest": [f"{s} {n}" for s, n in took[:3]]}
    return result


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=1, help="seconds between rows as written")
    parser.add_argument("--hours", type=float, default=26, help="how much of them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, influxql(Path(folder)) as database, policies(database):
        now_ns = time.time_ns()
        apps = [f"app{n}" for n in range(APPS)]
        history.APPS = (*history.APPS, *apps[len(history.APPS) :])
        history.HOSTS = history.HOSTS[:1]
        account, name = database.token, database.bucket
        rows = history.write(database.url, account, history.recent(now_ns, options.hours, options.step), database=name)
        coarse = 0
        for policy, window_s in (("5m", 300), ("1h", 3600)):
            lines = history.coarse(now_ns, window_s, 30, APPS)
            coarse += history.write(database.url, account, lines, policy, name)
        report = {
            "rows_as_written": rows,
            "coarse_rows": coarse,
            "by_range": measure(database, now_ns, "auto", RANGES_H),
            "as_written_24h": measure(database, now_ns, "raw", {"24h": 24}),
        }
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
