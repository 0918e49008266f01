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
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.enforcer.rig import Rig, required
from tests.lab import PEER4, Lab

CALL = """
import socket, struct, sys, threading, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 7400))
end = time.monotonic() + float(sys.argv[2])
found = []
def receive():
    sock.settimeout(2)
    while True:
        try:
            data = sock.recv(2048)
        except OSError:
            return
        now = time.monotonic_ns()
        number, sent = struct.unpack_from(">QQ", data)
        found.append((number, sent, now - sent))
thread = threading.Thread(target=receive)
thread.start()
number, start = 0, time.monotonic()
while time.monotonic() < end:
    try:
        sock.send(struct.pack(">QQ", number, time.monotonic_ns()) + bytes(884))
    except OSError:
        pass
    number += 1
    time.sleep(max(0, start + number * 0.01 - time.monotonic()))
thread.join()
import json
print(json.dumps({"sent": number, "answers": found}))
"""
ECHO = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 7400))
while True:
    data, where = sock.recvfrom(2048)
    sock.sendto(data, where)
"""
RULES = """apps:
- {match: call, priority: 1}
- {match: browser, priority: 3}
- {match: bulk, priority: 5}
- {match: backup, priority: 5}
"""
LEAD_S = 5
IP_TO_PAYLOAD = 1448 / 1500


@dataclass(frozen=True)
class Scenario:
    """One line and its load. ``changes``: (seconds after the load's start, down, up)."""

    name: str
    down: float = 20
    up: float = 10
    buffer_ms: float = 500
    two_sided: bool = True
    browser: bool = True
    flows: int = 4
    control: str = "cubic"
    changes: tuple[tuple[float, float, float], ...] = ()
    shared: bool = False
    other_load: bool = False
    gateway_target: bool = False
    unreachable: bool = False
    seconds: float = 25
    extra: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    s.name: s
    for s in (
        Scenario("base"),
        Scenario("down-only", two_sided=False, browser=False),
        Scenario("up-only", flows=0, browser=False),
        Scenario("slow", down=4, up=1),
        Scenario("vdsl", down=50, up=5),
        Scenario("cable", down=100, up=20),
        Scenario("fast", down=300, up=50, flows=8),
        Scenario("deep", buffer_ms=1000),
        Scenario("shallow", buffer_ms=100),
        Scenario("one-flow", flows=1),
        Scenario("many-flows", flows=64),
        Scenario("bbr", control="bbr"),
        Scenario("change-20-8-20", two_sided=False, browser=False, changes=((20, 8, 10), (40, 20, 10)), seconds=62),
        Scenario(
            "change-100-30-100",
            down=100,
            up=20,
            two_sided=False,
            browser=False,
            changes=((20, 30, 20), (40, 100, 20)),
            seconds=62,
        ),
        Scenario("shared-gateway", shared=True, gateway_target=True),
        Scenario("shared-other", shared=True, other_load=True, seconds=40),
        Scenario("unreachable", unreachable=True),
    )
}


def drawn(seed: int, count: int) -> list[Scenario]:
    """Scenarios from the grid, by chance."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        down, up = chance.choice([(4, 1), (20, 10), (50, 5), (100, 20)])
        found.append(
            Scenario(
                f"random-{seed}-{number}",
                down=down,
                up=up,
                buffer_ms=chance.choice([100, 500, 1000]),
                two_sided=chance.random() < 0.6,
                browser=chance.random() < 0.7,
                flows=chance.choice([1, 8, 64]),
                control=chance.choice(["cubic", "cubic", "bbr"]),
                shared=chance.random() < 0.3,
            )
        )
    return found


class Sampler:
    """What the interfaces counted, ten times a second."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rows: list[Any] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            self.rows.append((time.monotonic(), self.lab.counters("host").rx_bytes, self.lab.counters("peer").rx_bytes))

    def stop(self) -> list[tuple[float, int, int]]:
        self._stop.set()
        self._thread.join()
        return self.rows


def config_of(scenario: Scenario, mode: str) -> tuple[str, str]:
    """The enforcer's mode and its settings."""
    targets = ["10.77.9.9"] if scenario.unreachable else [PEER4]
    if scenario.gateway_target:
        targets.append("10.77.0.254")
    text = f"collector: {{targets: [{', '.join(targets)}]}}\n{RULES}"
    if mode == "link":
        text += f"link: {{down: {int(scenario.down * 950)}kbit, up: {int(scenario.up * 950)}kbit}}\n"
    if mode in ("auto", "known", "link"):
        return "enforce", text
    return "observe", text


def quantiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cut = statistics.quantiles(values, n=100, method="inclusive")
    names = {"p50": cut[49], "p95": cut[94], "p99": cut[98], "max": max(values)}
    return {name: round(value, 1) for name, value in names.items()}


def run(scenario: Scenario, mode: str, seconds: float | None = None) -> dict[str, Any]:
    """One run of one mode."""
    span = seconds or scenario.seconds
    how, text = config_of(scenario, mode)
    lab = Lab(down_mbit=scenario.down, up_mbit=scenario.up, buffer_ms=scenario.buffer_ms, shared=scenario.shared)
    with lab, Rig(lab, text, mode=how) as rig:
        with rig.log.open("a", encoding="utf-8") as log:
            command = ["-m", "console", "collector", "--config", str(rig.config), "--data", str(rig.data)]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            lab.start("host", sys.executable, *command, stderr=log, env=environment)
        rig.until(lambda: rig.store.get_state("live"), "the collector", 60)
        home = {**os.environ, "PYTHONHOME": sys.base_prefix}
        lab.start("peer", sys.executable, "-c", ECHO)
        if mode == "whole":
            whole(lab, scenario)
        if mode == "known":
            warm(rig, scenario)
        time.sleep(1)
        commands = commands_of(rig, scenario, span)
        total = LEAD_S + span
        command = [rig.copy("call", sys.executable), "-c", CALL, PEER4, str(total)]
        begun_ns = time.monotonic_ns()
        call = lab.start("host", *command, stdout=subprocess.PIPE, env=home)
        sampler = Sampler(lab)
        cpu = CpuOf(rig.pid())
        time.sleep(LEAD_S - (time.monotonic_ns() - begun_ns) / 1e9)
        load_ns = time.monotonic_ns()
        loads = [lab.start("host", *command, stdout=subprocess.PIPE) for command in commands]
        other = other_device(lab, scenario, span) if scenario.other_load else None
        log_rows = watch(rig, scenario, lab, load_ns, span)
        out = json.loads(call.communicate(timeout=60)[0])
        percent = cpu.percent()
        rows = sampler.stop()
        for one in loads:
            one.communicate(timeout=60)
        if other is not None:
            other.communicate(timeout=60)
        limits = rig.limits()
        events = [f"{message}" for kind, message in events_of(rig) if kind in ("auto", "let_go", "note", "state")]
    return summary(scenario, mode, out, rows, load_ns, span, limits, log_rows, events, percent)


class CpuOf:
    """CPU of one process between two looks, percent of one core."""

    def __init__(self, pid: int) -> None:
        self.file, self.then = Path(f"/proc/{pid}/stat"), time.monotonic()
        self.spent = self._spent()

    def _spent(self) -> float:
        fields = self.file.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def percent(self) -> float:
        return round(100 * (self._spent() - self.spent) / (time.monotonic() - self.then), 1)


def warm(rig: Rig, scenario: Scenario) -> None:
    """A first busy spell, from which the enforcer learns; then a pause."""
    loads = start_load(rig, scenario, 10)
    for one in loads:
        one.communicate(timeout=60)
    time.sleep(3)


def start_load(rig: Rig, scenario: Scenario, span: float) -> list[subprocess.Popen[Any]]:
    commands = commands_of(rig, scenario, span)
    return [rig.lab.start("host", *command, stdout=subprocess.PIPE) for command in commands]


def commands_of(rig: Rig, scenario: Scenario, span: float) -> list[list[str]]:
    """The clients of the load; their servers listen when this returns."""
    common = ["-t", str(int(span)), "-C", scenario.control]
    found = []
    if scenario.flows:
        found.append(rig.client("-R", "-P", str(scenario.flows), *common, app="bulk"))
    if scenario.browser:
        found.append(rig.client("-R", *common, app="browser"))
    if scenario.two_sided:
        found.append(rig.client(*common, app="backup"))
    return found


def other_device(lab: Lab, scenario: Scenario, span: float) -> subprocess.Popen[Any]:
    """Somebody else at home downloads with eight flows."""
    lab.start("peer", "iperf3", "-s", "-p", "5900")
    time.sleep(0.5)
    command = ["iperf3", "-c", PEER4, "-p", "5900", "-R", "-P", "8", "-t", str(int(span))]
    return lab.start("other", *command, stdout=subprocess.PIPE)


def whole(lab: Lab, scenario: Scenario) -> None:
    """The classic answer: one limit below the line in the host, both ways, fair among nobody."""
    device = lab.interface()
    for where, rate in ((device, scenario.up), ("ifb0", scenario.down)):
        if where == "ifb0":
            lab.run("host", "ip", "link", "add", "ifb0", "type", "ifb")
            lab.run("host", "ip", "link", "set", "ifb0", "up")
            lab.run("host", "tc", "qdisc", "add", "dev", device, "ingress")
            matching = ("parent", "ffff:", "matchall", "action", "mirred", "egress", "redirect", "dev", "ifb0")
            lab.run("host", "tc", "filter", "add", "dev", device, *matching)
        limit = str(max(int(rate * 1e6 / 8 * 0.05), 15000))
        shape = ("tbf", "rate", f"{int(rate * 950)}kbit", "burst", "20kb", "limit", limit)
        lab.run("host", "tc", "qdisc", "replace", "dev", where, "root", *shape)


def watch(rig: Rig, scenario: Scenario, lab: Lab, load_ns: int, span: float) -> list[dict[str, Any]]:
    """Follow the changes of the line, and look at what the enforcer says five times a second."""
    rows: list[dict[str, Any]] = []
    changes = list(scenario.changes)
    while (passed := (time.monotonic_ns() - load_ns) / 1e9) < span:
        if changes and passed >= changes[0][0]:
            _, down, up = changes.pop(0)
            lab.link(down, up, scenario.buffer_ms)
        limits = rig.limits()
        lines = limits.get("engine", {}).get("auto", {}).get("lines", {})
        rows.append(
            {
                "s": round(passed, 2),
                "state": limits.get("state"),
                "queue_ms": limits.get("engine", {}).get("auto", {}).get("queue_ms"),
                "down": {key: lines.get("down", {}).get(key) for key in ("phase", "budget_bps", "capacity_bps")},
                "up": {key: lines.get("up", {}).get(key) for key in ("phase", "budget_bps", "capacity_bps")},
                "held": {
                    name: (one.get("down_bps"), one.get("up_bps"), one.get("delayed_packets"))
                    for name, one in limits.get("apps", {}).items()
                },
            }
        )
        time.sleep(0.2)
    return rows


def events_of(rig: Rig) -> list[tuple[str, str]]:
    found = rig.store.read("event", ["message"], by=["kind"])
    return list(zip(found["kind"], found["message"], strict=True))


def summary(
    scenario: Scenario,
    mode: str,
    call: dict[str, Any],
    rows: list[tuple[float, int, int]],
    load_ns: int,
    span: float,
    limits: dict[str, Any],
    log_rows: list[dict[str, Any]],
    events: list[str],
    cpu: float,
) -> dict[str, Any]:
    answers = [((sent - load_ns) / 1e9, rtt / 1e6) for _, sent, rtt in call["answers"]]
    idle = statistics.median([rtt for at, rtt in answers if at < -1])
    extra = [(at, max(0.0, rtt - idle)) for at, rtt in answers]
    first = [value for at, value in extra if 0 <= at < 5]
    later = [value for at, value in extra if 5 <= at < span - 1]
    after_one = [value for at, value in extra if 1 <= at < span - 1]
    lines = []
    for (then, down, up), (now, down2, up2) in itertools.pairwise(rows):
        at = now - load_ns / 1e9
        factor = 8 / (now - then) / 1e6
        lines.append((at, (down2 - down) * factor, (up2 - up) * factor))
    loaded = [(at, down, up) for at, down, up in lines if 5 <= at < span - 1]
    held = [row for row in log_rows if any(down or up for down, up, _ in row["held"].values())]
    delayed = limits.get("apps", {}).get("call", {}).get("delayed_packets", 0)
    result: dict[str, Any] = {
        "scenario": scenario.name,
        "mode": mode,
        "line": f"{scenario.down:g}/{scenario.up:g} Mbit/s, {scenario.buffer_ms:g} ms, {scenario.control}",
        "call_idle_ms": round(idle, 2),
        "call_extra_first_5s_ms": quantiles(first),
        "call_extra_after_1s_ms": quantiles(after_one),
        "call_extra_later_ms": quantiles(later),
        "longest_above_150ms_s": longest_above(extra, 150, span),
        "call_lost": call["sent"] - len(answers),
        "call_delayed_packets": max([delayed, *(row["held"].get("call", (0, 0, 0))[2] or 0 for row in log_rows)]),
        "call_was_held": any(any(row["held"].get("call", (None, None))[:2]) for row in log_rows),
        "first_held_s": held[0]["s"] if held else None,
        "line_used_down_mbit": round(statistics.mean([down for _, down, _ in loaded]), 2) if loaded else None,
        "line_used_up_mbit": round(statistics.mean([up for _, _, up in loaded]), 2) if loaded else None,
        "enforcer_cpu_percent": cpu,
        "state": limits.get("state"),
        "events": events[-12:],
    }
    if scenario.changes:
        result["changes"] = [recovery(scenario, lines, number, span) for number in range(len(scenario.changes))]
    result["series"] = {"extra": extra, "line": lines, "control": log_rows}
    return result


def longest_above(extra: Sequence[tuple[float, float]], ms: float, span: float) -> float:
    longest, since = 0.0, None
    for at, value in extra:
        if at < 0 or at > span - 1:
            continue
        if value > ms:
            since = at if since is None else since
            longest = max(longest, at - since)
        else:
            since = None
    return round(longest, 2)


def recovery(scenario: Scenario, lines: list[tuple[float, float, float]], number: int, span: float) -> dict[str, Any]:
    """After a change of the line: what is used of the new one in 20 s, and when 90 % is reached for a second."""
    start, down, _ = scenario.changes[number]
    end = scenario.changes[number + 1][0] if number + 1 < len(scenario.changes) else span - 1
    window = [(at, used) for at, used, _ in lines if start + 0.5 <= at < min(end, start + 20)]
    capacity = down * 1500 / 1514
    reached = None
    for at, _ in window:
        second = [used for then, used in window if at <= then < at + 1]
        if second and statistics.mean(second) >= 0.9 * capacity:
            reached = round(at - start, 1)
            break
    return {
        "to_mbit": down,
        "used_percent": round(100 * statistics.mean([used for _, used in window]) / capacity, 1) if window else None,
        "ninety_percent_after_s": reached,
    }


def plot(results: list[dict[str, Any]], folder: Path) -> Path:
    """The call's extra delay and the line's use of all modes of one scenario, one below the other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(results), 2, figsize=(13, 2.4 * len(results)), squeeze=False, sharex="col")
    top = max(50.0, *(value for r in results for _, value in r["series"]["extra"]))
    for (left, right), result in zip(axes, results, strict=True):
        extra, line = result["series"]["extra"], result["series"]["line"]
        left.plot([at for at, _ in extra], [value for _, value in extra], linewidth=0.7, color="#b2182b")
        left.set_yscale("symlog", linthresh=10)
        left.set_ylim(0, top)
        left.axhline(15, color="#999999", linewidth=0.6, linestyle=":")
        left.set_ylabel(f"{result['mode']}\nextra delay, ms")
        right.plot([at for at, *_ in line], [down for _, down, _ in line], label="down", color="#2166ac", linewidth=0.9)
        right.plot([at for at, *_ in line], [up for *_, up in line], label="up", color="#4dac26", linewidth=0.9)
        control = result["series"]["control"]
        for way, colour in (("down", "#2166ac"), ("up", "#4dac26")):
            points = [(row["s"], row[way]["capacity_bps"]) for row in control if row[way]["capacity_bps"]]
            if points:
                right.plot(
                    *zip(*[(s, bps / 1e6) for s, bps in points], strict=True),
                    color=colour,
                    linestyle="--",
                    linewidth=0.6,
                )
        right.set_ylabel("Mbit/s")
        right.legend(loc="upper right", fontsize=7)
    axes[0][0].set_title(f"{results[0]['scenario']}: {results[0]['line']}: the call's extra delay")
    axes[0][1].set_title("the line's use (dashed: what was learned)")
    for axis in axes[-1]:
        axis.set_xlabel("seconds after the load's start")
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results[0]['scenario']}.png"
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help=f"of {' '.join(SCENARIOS)}; base by default")
    parser.add_argument("--modes", default="nothing,whole,auto,known,link")
    parser.add_argument("--seconds", type=float, help="of load; each scenario's own by default")
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--random", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", action="store_true", help="with every sample")
    options = parser.parse_args()
    required()
    chosen = [SCENARIOS[name] for name in options.scenarios] + drawn(options.seed, options.random)
    rows: list[dict[str, Any]] = []
    for scenario in chosen or [SCENARIOS["base"]]:
        results = []
        for mode in options.modes.split(","):
            try:
                results.append(run(scenario, mode, options.seconds))
            except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
                rows.append({"scenario": scenario.name, "mode": mode, "error": str(error)[-1500:]})
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
