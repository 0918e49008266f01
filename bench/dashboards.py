"""How long each panel takes on a month of one-second rows of a computer with 50 applications, on a real engine.

``uv run python bench/dashboards.py`` starts influxdb 1.6.7, writes and measures. On a server of one's own (a 2.x needs
the buckets ``DATABASE``, ``DATABASE/5m`` and ``DATABASE/1h``): ``--url U --token T --database D`` with ``--fill`` or
``--measure NOW`` to do one of the two. What is written (``--days`` shortens the first):

- ``app_traffic`` of 50 applications, every second of 30 days; received and sent bytes only before the last 26 hours,
  because no panel reads the other fields of rows that old;
- every measurement with all its fields, every second of the last 26 hours, the 50 applications' CPU and memory too;
- 5-minute windows of 30 days and hourly ones of 2 years, with every field that the agent ships in a coarse row.

Every target of a panel runs in turn, so a panel's figure is an upper bound for a browser. Prints JSON: seconds a panel.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from qos.contract.coarse import CoarseField, coarse_fields  # noqa: E402
from qos.contract.points import SPECS, FieldSpec  # noqa: E402
from tests.grafana.coarse import policies  # noqa: E402
from tests.grafana.sse import interval_ms, substitute  # noqa: E402
from tests.servers import InfluxQL, call, influxql  # noqa: E402

RANGES_H = {"15m": 0.25, "6h": 6, "24h": 24, "30d": 720, "2y": 17520}
S = 10**9
DAY_S = 86_400
APPS = [f"app{n:02}" for n in range(50)]
TARGETS = ("gateway", "1.1.1.1", "8.8.8.8")
WRITTEN_H = 26
"""Rows as written are read up to this range."""
WIDTHS_S = {"5m": (300, 30), "1h": (3600, 730)}
"""Retention policy → window, days."""
VARIANTS = 101
"""Different seconds (windows) that take turns, so that making the lines costs nothing beside storing them."""
SERIES: dict[str, list[dict[str, str]]] = {
    "app_traffic": [{"app": app} for app in APPS],
    "app_resources": [{"app": app} for app in APPS],
    "app_limit": [{"app": app} for app in APPS[:5]],
    "host_traffic": [{"iface": iface} for iface in ("eth0", "wlan0")],
    "probe": [{"target": target} for target in TARGETS],
    "agent": [{"part": part} for part in ("collector", "enforcer", "shipper", "supervisor", "console")],
}


def _text(field: FieldSpec | CoarseField, dice: random.Random, scale: int) -> str:
    if field.kind == "str":
        return f'{field.name}=""'
    if field.kind == "float":
        return f"{field.name}={round(dice.uniform(0.5, 90.0) * scale, 2)}"
    source = field.source if isinstance(field, CoarseField) else field
    return f"{field.name}={dice.randrange(2) if source.unit == 'bool' else dice.randrange(200_000) * scale}i"


Fields = list[FieldSpec] | list[CoarseField]


def _lines(name: str, dice: random.Random, fields: Fields, scale: int = 1) -> Iterator[str]:
    for tags in SERIES[name]:
        key = ",".join([name, "host=desk", *(f"{tag}={value}" for tag, value in tags.items())])
        values = [_text(field, dice, scale) for field in fields]
        yield f"{key} {','.join(values + ([f'n={scale}i'] if scale > 1 else []))} @"


def _blocks(names: list[str], only: tuple[str, ...] = ()) -> list[bytes]:
    """What one second writes, ``@`` in the place of its time, in as many variants as take turns."""
    dice = random.Random(5)
    return [
        "\n".join(
            line
            for name in names
            for line in _lines(name, dice, [f for f in SPECS[name].fields if not only or f.name in only])
        ).encode()
        for _ in range(VARIANTS)
    ]


def _coarse_blocks(window_s: int) -> list[bytes]:
    dice = random.Random(6)
    return [
        "\n".join(
            line for name in SERIES for line in _lines(name, dice, list(coarse_fields(SPECS[name])), window_s)
        ).encode()
        for _ in range(VARIANTS)
    ]


def _write(database: InfluxQL, blocks: list[bytes], span: range, policy: str = "", jitter: bool = True) -> int:
    """Every second (window) of the span, the agent's few milliseconds of unevenness included; returns the rows."""
    query = {"db": database.bucket, "precision": "ns"} | ({"rp": policy} if policy else {})
    dice, batch, rows, begun, told = random.Random(1), [], 0, time.monotonic(), 0
    at_once = max(1, 10_000 // blocks[0].count(b"@"))
    for number, at_s in enumerate(span):
        at = at_s * S + (dice.randrange(3_000_000) if jitter else 0)
        batch.append(blocks[number % VARIANTS].replace(b"@", b"%d" % at))
        if len(batch) >= at_once or at_s == span[-1]:
            call(database.url + "/write", query=query, body=b"\n".join(batch), token=database.token)
            rows += sum(lines.count(b"\n") + 1 for lines in batch)
            batch = []
            if rows - told > 5_000_000:
                told = rows
                print(f"{rows:,} rows, {rows / (time.monotonic() - begun):,.0f}/s", file=sys.stderr, flush=True)
    return rows


def fill(database: InfluxQL, now_s: int, days: float) -> dict[str, int]:
    """Write everything; returns the rows written."""
    recent_s = now_s - WRITTEN_H * 3600
    rows = {"recent": _write(database, _blocks(list(SERIES)), range(recent_s, now_s))}
    for policy, (window_s, kept_days) in WIDTHS_S.items():
        stop_s = now_s // window_s * window_s
        span = range(stop_s - kept_days * DAY_S, stop_s, window_s)
        rows[policy] = _write(database, _coarse_blocks(window_s), span, policy, jitter=False)
    month = _blocks(["app_traffic"], ("rx_bytes", "tx_bytes"))
    rows["month"] = _write(database, month, range(now_s - int(days * DAY_S), recent_s))
    return rows


def measure(
    database: InfluxQL, now_ns: int, detail: str, ranges: dict[str, float], pid: int | None
) -> dict[str, dict[str, object]]:
    """Seconds of every panel at every range, the worst first; with ``pid`` the server's CPU seconds too."""
    result: dict[str, dict[str, object]] = {}
    server = psutil.Process(pid) if pid else None

    def spent() -> float:
        times = server.cpu_times() if server else None
        return times.user + times.system if times else 0.0

    for name, hours in ranges.items():
        took = []
        for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
            for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
                window = interval_ms(int(hours * 3_600_000), panel.get("maxDataPoints", 300), 5000)
                start, cpu = time.perf_counter(), spent()
                for target in panel.get("targets", []):
                    first = now_ns - int(hours * 3600) * S
                    statement = substitute(target["query"], first, now_ns, window, detail, APPS[:8])
                    database.query(statement)
                seconds, busy = round(time.perf_counter() - start, 3), round(spent() - cpu, 2)
                took.append((seconds, busy, f"{path.stem}: {panel['title']}"))
        took.sort(reverse=True)
        result[name] = {
            "panels": len(took),
            "over_1_s": sum(seconds > 1 for seconds, _, _ in took),
            "median_s": took[len(took) // 2][0],
            "worst_s": took[0][0],
            "slowest": [f"{seconds} {title}" for seconds, _, title in took[:6]],
        }
        if server:
            dear = sorted(took, key=lambda panel: -panel[1])[:6]
            result[name] |= {"cpu_over_1_s": sum(busy > 1 for _, busy, _ in took)}
            result[name] |= {"dearest_cpu_s": [f"{busy} {title}" for _, busy, title in dear]}
    return result


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=30, help="of one-second rows of the applications")
    parser.add_argument("--url", help="a server that is there")
    parser.add_argument("--token", default="", help="its token, or name:password")
    parser.add_argument("--database", default="autoqos")
    parser.add_argument("--fill", action="store_true", help="write only")
    parser.add_argument("--measure", type=int, metavar="NOW", help="measure only, what was written at this Unix time")
    parser.add_argument("--pid", type=int, help="the server's: tells its CPU seconds too")
    options = parser.parse_args()
    if options.url:
        run(InfluxQL(options.url, options.database, options.token), options)
        return
    with tempfile.TemporaryDirectory() as folder, influxql(Path(folder)) as database, policies(database):
        run(database, options)


def run(database: InfluxQL, options: argparse.Namespace) -> None:
    """Fill, measure or both, and say what came of it."""
    now_s, report = options.measure or int(time.time()), {}
    report["now"] = now_s
    if not options.measure:
        begun = time.monotonic()
        report["rows"] = fill(database, now_s, options.days)
        report["fill_s"] = round(time.monotonic() - begun)
    if not options.fill:
        report["by_range"] = measure(database, now_s * S, "auto", RANGES_H, options.pid)
        report["as_written_24h"] = measure(database, now_s * S, "raw", {"24h": 24}, options.pid)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
