"""Who made the lag: labelled scenarios with real packets through the real collector; a confusion matrix as JSON.

Each lab is a set of namespaces (bench/lag_lab.py) with its own line, drawn by seed, and its own collector. Truth about
*when* comes from pings ten times as dense as the probes; a scenario in which they show no lag is void and counted so.

    sudo .venv/bin/python bench/lag.py [--seed 1] [--labs 3] [--only WORDS] [--quiet SECONDS]
"""

import argparse
import json
import random
import re
import shutil
import sqlite3
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.lag_lab import HERE, TARGETS, LagLab  # noqa: E402 - the repository's root is put on the path above
from bench.lag_record import replay  # noqa: E402 - idem
from bench.lag_scenarios import Scenario, Truth, scenarios  # noqa: E402 - idem
from bench.lag_score import STRAY, Result, assign, onset_of, summary  # noqa: E402 - idem
from collector.lag.evidence import row  # noqa: E402 - idem

LINES = ((20, 6, 400), (12, 4, 300), (30, 10, 250), (8, 2, 500))
SHOWN_S = 0.15
"""From a tick to the view of it, when replayed."""
REST_S = 13.0
"""More than an incident waits for its cause to come back (``REJOIN_NS``): two acts are two incidents."""
WARM_S = 22.0
_PING = re.compile(r"^\[(\d+\.\d+)\] .*icmp_seq=(\d+) .*time=([\d.]+) ms")


class Pings:
    """Five pings a second to one target, with when they were sent; a missing one is a lost one."""

    def __init__(self, lab: LagLab, target: str) -> None:
        self.file = lab.folder / f"ping-{target}"
        with open(self.file, "w", encoding="utf-8") as out:
            self.program = lab.start(
                "h", "stdbuf", "-oL", "ping", "-D", "-n", "-i", "0.2", "-W", "3", target, stdout=out
            )

    def read(self) -> list[tuple[float, float | None]]:
        found: dict[int, tuple[float, float | None]] = {}
        for line in self.file.read_text(encoding="utf-8").splitlines():
            if match := _PING.match(line):
                at, seq, rtt = float(match[1]), int(match[2]), float(match[3])
                found[seq] = (at - rtt / 1000, rtt)
        if not found:
            return []
        first = min(found)
        start = found[first][0]
        for seq in range(first, max(found)):
            found.setdefault(seq, (start + (seq - first) * 0.2, None))
        return [found[seq] for seq in sorted(found)]


class Watch(threading.Thread):
    """Reads what the collector shows, five times a second, as a view does."""

    def __init__(self, data: Path) -> None:
        super().__init__(daemon=True)
        self.path = data / "autoqos.db"
        self.seen: list[tuple[float, float, str, str]] = []
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(0.2):
            try:
                with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=2) as db:
                    row = db.execute("SELECT value FROM state WHERE key = 'live'").fetchone()
            except sqlite3.Error:
                continue
            running = (json.loads(row[0]) if row else {}).get("lag")
            if running:
                self.seen.append((time.time(), running["onset_ns"] / 1e9, running["cause"], running["app"]))

    def waited_since(self, result: "Result") -> float | None:
        """When the enforcer's own rows first told of a tenth of a second in its queue: in the second before them."""
        with sqlite3.connect(self.path, timeout=10) as db:
            rows = db.execute(
                "SELECT MIN(time_ns) FROM app_limit WHERE queue_ms >= 100 AND time_ns BETWEEN ? AND ?",
                (int(result.began * 1e9), int(result.ended * 1e9)),
            ).fetchone()
        return rows[0] / 1e9 - 0.5 if rows and rows[0] else None

    def incidents(self) -> list[dict[str, Any]]:
        with sqlite3.connect(self.path, timeout=10) as db:
            db.row_factory = sqlite3.Row
            return [{**dict(row), "onset": row["time_ns"] / 1e9} for row in db.execute("SELECT * FROM lag_incident")]


class Bench:
    """One lab and its share of the scenarios."""

    def __init__(self, number: int, seed: int, *, noisy: bool = False) -> None:
        """``noisy``: Wi-Fi that wanders by tens of milliseconds and loses one packet in 500 from the start."""
        self.number = number
        draw = random.Random(seed * 100 + number)
        down, up, buffer_ms = LINES[number % len(LINES)]
        self.down, self.up = down * draw.uniform(0.8, 1.2), up * draw.uniform(0.8, 1.2)
        self.lab = LagLab(self.down, self.up, buffer_ms * draw.uniform(0.8, 1.2), seed + number)
        wifi, far = (draw.uniform(1, 6), draw.uniform(0, 15), 0.0), (draw.uniform(5, 60), draw.uniform(0, 6), 0.0)
        if noisy:
            wifi = (draw.uniform(1, 10), draw.uniform(15, 45), 0.002)
        self.lab.base = {"wifi": wifi, "far": far, "one": (far[0] * draw.uniform(0.8, 1.5), far[1], 0.0)}  # type: ignore[attr-defined]
        self.knows = ("set", "history", "nothing")[number % 3]
        self.set = draw.uniform(0.85, 1.0)
        """What the person wrote into the config, of what the line really carries."""
        self.seed = seed
        self.results: list[Result] = []

    def run(
        self, share: list[Scenario], quiet_s: float = 0, keep: Path | None = None, record: Path | None = None
    ) -> None:
        with self.lab as lab:
            for name, values in lab.base.items():  # type: ignore[attr-defined]  # set above
                lab.delays[name].set(*values)
            lab.start("p", sys.executable, str(HERE / "lag_traffic.py"), "serve")
            data = lab.folder / "data"
            limits = any(scenario.enforces for scenario in share)
            config = f"mode: {'enforce' if limits else 'observe'}\nenforcer: {{auto: false}}\n"
            config += f"collector: {{targets: {json.dumps(TARGETS)}, name_by_script: ['*']}}\n"
            if self.knows == "set":
                config += f"link: {{down: {self.down * self.set:.2f}mbit, up: {self.up * self.set:.2f}mbit}}\n"
            (lab.folder / "config.yaml").write_text(config, encoding="utf-8")
            log = (lab.folder / "collector.log").open("w", encoding="utf-8")
            words: tuple[str, ...] = ("collector", "--config", str(lab.folder / "config.yaml"), "--data", str(data))
            if record is None:
                words = ("-m", "console", *words)
            else:
                words = (str(HERE / "lag_record.py"), str(record / f"ticks-{self.number}.jsonl"), *words)
            collector = lab.start("h", sys.executable, *words, stdout=log, stderr=log, cwd=ROOT)
            if limits:
                words = ("-m", "console", "enforcer", *words[words.index("collector") + 1 :])
                lab.start("h", sys.executable, *words, stdout=log, stderr=log, cwd=ROOT)
                lab.console("pause")
            self.pings = [Pings(lab, target) for target in TARGETS]
            watch = Watch(data)
            watch.start()
            time.sleep(WARM_S)
            if self.knows == "history":
                for way in ("down", "up"):
                    lab.app("history", "bulk", "6", f"dir={way}", "n=4", "10.88.3.9").wait()
                time.sleep(REST_S)
            for scenario in share:
                self.play(scenario)
            if quiet_s:
                began = time.time()
                time.sleep(quiet_s)
                self.results.append(
                    Result(self.number, f"quiet for {quiet_s:.0f} s", Truth(frozenset()), began, time.time(), None)
                )
            time.sleep(2)
            lab.stop(collector)
            watch.ending.set()
            watch.join()
            self.judge(watch)
            if record is not None:
                acts = [asdict(result) | {"truth": result.truth.document()} for result in self.results]
                (record / f"acts-{self.number}.json").write_text(json.dumps(acts, default=list), encoding="utf-8")
            if keep is not None:
                shutil.copytree(data, keep / str(self.number))

    def play(self, scenario: Scenario) -> None:
        if scenario.enforces:
            self.lab.console("resume")
        background = [self.lab.app(words[0], *words[1:], "10.88.3.9") for words in scenario.background]
        if background:
            time.sleep(5)
        for begin, truth in scenario.acts:
            if truth is None:
                time.sleep(REST_S * 0.7)
                continue
            began = time.time()
            end = begin(self.lab)
            began = time.time() if scenario.enforces else began
            time.sleep(truth.seconds)
            end()
            self.results.append(Result(self.number, scenario.name, truth, began, time.time(), None))
        for program in background:
            self.lab.stop(program)
        if scenario.enforces:
            self.lab.console("pause")
            while self.lab.limited:
                self.lab.console("unlimit", self.lab.limited.pop())
        time.sleep(REST_S)

    def judge(self, watch: Watch) -> None:
        records, incidents = [pings.read() for pings in self.pings], watch.incidents()
        for result in self.results:
            result.onset = result.began if result.truth.at_once else onset_of(records, result)
            if "own_limit" in result.truth.causes:
                result.onset = watch.waited_since(result)
        self.results = assign(self.number, self.results, incidents, watch.seen)


def replayed(folder: Path) -> list[Result]:
    """The acts of a recorded run, with what the detector of today makes of what it was fed then."""
    results: list[Result] = []
    for file in sorted(folder.glob("acts-*.json")):
        number = int(file.stem.split("-")[1])
        acts = [
            Result(**fields | {"truth": Truth.parse(fields["truth"]), "incidents": [], "shown": []})
            for fields in json.loads(file.read_text(encoding="utf-8"))
            if fields["scenario"] != STRAY
        ]
        rows: dict[int, dict[str, Any]] = {}
        seen: list[tuple[float, float, str, str]] = []
        offset = None
        for wall, found, running, tick in replay(folder / f"ticks-{number}.jsonl"):
            if tick is not None:
                offset = wall - tick.now_ns / 1e9
            for incident in found:
                onset_s = incident.onset_ns / 1e9 + (offset or 0)
                made = asdict(row(incident, "pc", int(onset_s * 1e9)))
                rows[incident.onset_ns] = made | {"onset": onset_s}
            if running is not None and offset is not None:
                diagnosis = running.diagnosis
                seen.append((wall + SHOWN_S, running.onset_ns / 1e9 + offset, diagnosis.cause, diagnosis.app or ""))
        results += assign(number, acts, list(rows.values()), seen)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--labs", type=int, default=3)
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    parser.add_argument("--limit", type=int, default=0, help="so many scenarios at most")
    parser.add_argument("--quiet", type=float, default=0, help="seconds with nothing but noisy Wi-Fi at the end")
    parser.add_argument("--keep", type=Path, help="copy the collectors' data there, to look at it")
    parser.add_argument("--record", type=Path, help="write down there what each detector was fed, for --replay")
    parser.add_argument("--replay", type=Path, help="no lab: feed what was recorded there to the detector as it is now")
    parser.add_argument("--all", action="store_true", help="print every act, not only the wrong ones")
    options = parser.parse_args()
    if options.replay is not None:
        results = replayed(options.replay)
        show(summary(results) | {"replayed": str(options.replay)}, results, every=options.all)
        return
    if options.record is not None:
        options.record.mkdir(parents=True, exist_ok=True)
    benches = [Bench(number, options.seed, noisy=options.quiet > 0) for number in range(options.labs)]
    threads = []
    for bench in benches:
        made = [s for s in scenarios(options.seed, bench.down, bench.up) if options.only in s.name]
        share = made[bench.number :: options.labs][: options.limit or None]
        threads.append(threading.Thread(target=bench.run, args=(share, options.quiet, options.keep, options.record)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = [result for bench in benches for result in bench.results]
    show(summary(results) | {"seed": options.seed, "labs": options.labs}, results, every=options.all)


def show(report: dict[str, Any], results: list[Result], *, every: bool) -> None:
    if every:
        report["all"] = [r.report() for r in results]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
