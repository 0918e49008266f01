"""What the enforcer reaches, with real packets in namespaces, as JSON. Root, iperf3; ``--traffictoll TT`` beside it.

    sudo uv run python -m bench.enforcer [SECTION ...] [--seconds 10] [--traffictoll /path/to/venv/bin/tt]

Sections: core goodput short parallel processes running delay beside idle shares failures giveup stress. Each figure
is from one run; the machine's load shows in ``oldest_ms`` (how long packets waited for us in the system's queue).
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from enforcer.qdisc.queued_packet import QueuedPacket
from enforcer.qdisc.shaper import Shaper
from tests.enforcer.datapath.test_packets import LONG, SERVER, SHORT, classifiers, in_force, python_home
from tests.enforcer.rig import MBIT, Rig, goodput_bps, per_second_bps, required, result_of
from tests.lab import HOST4, PEER4, Lab

DELAY = """
import heapq, sys, threading, time
from qos.packets.divert import Diverter, Drained, Injector
injector = Injector(priority=399)
diverter = Diverter("outbound and !loopback and tcp", priority=400)
heap, lock, wake, number = [], threading.Lock(), threading.Event(), 0
def send():
    while True:
        with lock:
            now = time.monotonic_ns()
            due = []
            while heap and heap[0][0] <= now:
                due.append(heapq.heappop(heap)[2])
            left = (heap[0][0] - now) / 1e9 if heap else None
        if due:
            injector.send(due)
        wake.wait(left)
        wake.clear()
threading.Thread(target=send, daemon=True).start()
print("ready", flush=True)
while True:
    batch = diverter.recv(None)
    with lock:
        for packet in batch:
            number += 1
            heapq.heappush(heap, (packet.timestamp_ns + int(sys.argv[1]) * 1_000_000, number, packet))
    wake.set()
"""


class Cpu:
    """CPU of the enforcer's process between two looks, percent of one core."""

    def __init__(self, rig: Rig) -> None:
        self.pid, self.then, self.spent = rig.pid(), time.monotonic(), 0.0
        self.spent = self._spent()

    def _spent(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def percent(self) -> float:
        return round(100 * (self._spent() - self.spent) / (time.monotonic() - self.then), 2)


def rss_mb(rig: Rig) -> float:
    for line in Path(f"/proc/{rig.pid()}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1000, 1)
    return 0.0


def core(_: float) -> dict[str, Any]:
    """The shaper alone: microseconds per packet, submit and release together."""
    result = {}
    for rate in (20 * MBIT, 100 * MBIT):
        shaper, count, gap = Shaper(0, rate, inbound=True), 100_000, 1500 * 8 * 10**9 // rate
        start = time.process_time()
        for i in range(count):
            now = i * gap
            shaper.submit(now, QueuedPacket((6, i % 8), 1500, now))
            shaper.release(now)
        result[f"us_per_packet_at_{rate // MBIT}_mbit"] = round((time.process_time() - start) * 1e6 / count, 2)
    return result


def goodput(seconds: float) -> dict[str, Any]:
    rows = []
    with Lab() as lab, Rig(lab) as rig:
        for rate in (1, 5, 20, 100):
            for protocol in ("tcp", "udp"):
                for v6 in (False, True):
                    for side in ("down", "up"):
                        in_force(rig, "iperf3", **{side: rate * MBIT})
                        time.sleep(0.5)
                        options = ["-t", str(int(seconds))] + (["-R"] if side == "down" else [])
                        if protocol == "udp":
                            options += ["-u", "-b", f"{rate * 1.5}M", "-l", "1400"]
                        cpu = Cpu(rig)
                        result = rig.iperf(*options, v6=v6)
                        shown, engine = rig.app("iperf3"), rig.limits()["engine"]
                        rows.append(
                            {
                                "limit_mbit": rate,
                                "traffic": f"{protocol}{6 if v6 else 4} {side}",
                                "percent_of_limit": round(goodput_bps(result) / rate / MBIT * 100, 1),
                                "enforcer_cpu_percent": cpu.percent(),
                                "dropped": shown["dropped_packets"],
                                "oldest_ms": engine["oldest_ms"],
                            }
                        )
                        rig.unlimit("iperf3")
    inside = sum(92 <= row["percent_of_limit"] <= 103 for row in rows)
    return {"rows": rows, "within_-8_+3_percent": f"{inside} of {len(rows)}"}


def shorties(rig: Rig, seconds: float) -> float:
    """Percent of 5 Mbit/s that an application of short connections gets."""
    rig.lab.start("peer", sys.executable, "-c", SERVER, "7101", "200000")
    in_force(rig, "shorties", down=5 * MBIT)
    command = [rig.copy("shorties", sys.executable), "-c", SHORT, PEER4, "7101", str(seconds)]
    total = int(rig.lab.run("host", *command, env=python_home()).stdout)
    return round(total * 8 / seconds / (5 * MBIT) * 100, 1)


def short(seconds: float) -> dict[str, Any]:
    with Lab(down_mbit=20, up_mbit=10) as lab, Rig(lab) as rig:
        slow = shorties(rig, seconds)
    with Lab() as lab, Rig(lab) as rig:
        fast = shorties(rig, seconds)
    return {"percent_of_5_mbit_on_20_mbit_link": slow, "percent_of_5_mbit_on_unlimited_link": fast}


def parallel(seconds: float) -> dict[str, Any]:
    with Lab(down_mbit=50, up_mbit=50) as lab, Rig(lab) as rig:
        in_force(rig, "iperf3", down=5 * MBIT)
        result = rig.iperf("-R", "-t", str(int(seconds)), "-P", "64")
        engine = rig.limits()["engine"]
    return {"percent_of_5_mbit": round(goodput_bps(result) / 5 / MBIT * 100, 1), "filters": engine["filters"]["tcp"]}


def processes(seconds: float) -> dict[str, Any]:
    with Lab() as lab, Rig(lab) as rig:
        in_force(rig, "iperf3", down=5 * MBIT)
        both = [rig.begin("-R", "-t", str(int(seconds))) for _ in range(2)]
        rates = [goodput_bps(result_of(one.communicate()[0])) for one in both]
    return {
        "percent_of_5_mbit": round(sum(rates) / 5 / MBIT * 100, 1),
        "shares": [round(r / sum(rates), 2) for r in rates],
    }


def running(seconds: float) -> dict[str, Any]:
    """A limit set on a running download: milliseconds until what the application gets stays below 120 % of it."""
    with Lab(down_mbit=100, up_mbit=100, buffer_ms=50) as lab, Rig(lab) as rig:
        begun = time.time()
        client = rig.begin("-R", "-t", "8", "-i", "0.1", app="running")
        time.sleep(3)
        set_at = time.time()
        rig.limit("running", down=5 * MBIT)
        rig.until(lambda: rig.app("running").get("down_bps"), "the limit")
        in_force_at = time.time()
        result = result_of(client.communicate()[0])
    offset = set_at - begun
    whole = [
        statistics.mean(
            interval["sum"]["bits_per_second"]
            for interval in result["intervals"]
            if offset + second <= interval["sum"]["start"] < offset + second + 1
        )
        for second in range(4)
    ]
    return {
        "said_in_force_after_ms": round((in_force_at - set_at) * 1000),
        "percent_of_limit_in_each_second_after_it_was_set": [round(rate / 5 / MBIT * 100, 1) for rate in whole],
    }


def delay(seconds: float) -> dict[str, Any]:
    """Queue delay at 20 Mbit/s and 30 ms round trip."""
    with Lab() as lab, Rig(lab) as rig:
        line = lab.start("peer", sys.executable, "-c", DELAY, "30", stdout=subprocess.PIPE, env=here())
        assert line.stdout is not None
        line.stdout.readline()
        in_force(rig, "iperf3", down=20 * MBIT)
        client = rig.begin("-R", "-t", str(int(seconds)), "-C", "cubic")
        waits, end = [], time.monotonic() + seconds - 0.5
        time.sleep(2)
        while time.monotonic() < end:
            waits.append(rig.app("iperf3").get("queue_ms", 0.0))
            time.sleep(0.1)
        result = result_of(client.communicate()[0])
        sent = result["end"]["sum_sent"]
    return {
        "worst_wait_per_second_p95_ms": round(statistics.quantiles(waits, n=20)[18], 1),
        "worst_wait_median_ms": round(statistics.median(waits), 1),
        "retransmits_percent": round(sent["retransmits"] / (sent["bytes"] / 1448) * 100, 3),
        "percent_of_20_mbit": round(goodput_bps(result) / 20 / MBIT * 100, 1),
        "min_rtt_ms": result["end"]["streams"][0]["sender"].get("min_rtt", 0) / 1000,
    }


def here() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def pings(lab: Lab, seconds: float) -> list[float]:
    out = lab.run("host", "ping", "-i", "0.02", "-c", str(int(seconds * 50)), PEER4, check=False).stdout
    return [float(line.split("time=")[1].split()[0]) for line in out.splitlines() if "time=" in line]


def beside(seconds: float) -> dict[str, Any]:
    """An unlimited application beside a limited one, against the same without any limit, on a 50 Mbit/s link."""
    result: dict[str, Any] = {}
    with Lab(down_mbit=50, up_mbit=50, buffer_ms=20) as lab, Rig(lab) as rig:
        for name in ("without", "with"):
            if name == "with":
                in_force(rig, "slow", down=5 * MBIT)
            slow = rig.begin("-R", "-t", str(int(seconds) + 2), "-b", "5M", app="slow")
            time.sleep(1)
            free = rig.begin("-R", "-t", str(int(seconds)), "-b", "30M", app="free")
            times = pings(lab, seconds - 1)
            rate = goodput_bps(result_of(free.communicate()[0]))
            slow.communicate()
            quantiles = statistics.quantiles(times, n=100)
            result[name] = {
                "goodput_mbit": round(rate / MBIT, 2),
                "ping_p50_ms": quantiles[49],
                "ping_p99_ms": quantiles[98],
            }
            if name == "with":
                result["filters"] = rig.limits()["engine"]["filters"]["tcp"]
    result["goodput_change_percent"] = round(
        (result["with"]["goodput_mbit"] / result["without"]["goodput_mbit"] - 1) * 100, 2
    )
    result["ping_p99_change_ms"] = round(result["with"]["ping_p99_ms"] - result["without"]["ping_p99_ms"], 3)
    return result


def idle(seconds: float) -> dict[str, Any]:
    with Lab() as lab, Rig(lab) as rig:
        time.sleep(2)
        cpu = Cpu(rig)
        time.sleep(2 * seconds)
        return {
            "cpu_percent_of_a_core": cpu.percent(),
            "handles": rig.limits()["engine"]["handles"],
            "rss_mb": rss_mb(rig),
            "classifiers": classifiers(rig),
        }


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


def failures(_: float) -> dict[str, Any]:
    """The longest pause of a limited download when the enforcer is killed or stopped."""
    result: dict[str, Any] = {}
    for how in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        with Lab() as lab, Rig(lab) as rig:
            lab.start("peer", sys.executable, "-c", SERVER, "7102", "0")
            rig.limit("victim", down=5 * MBIT)
            command = [rig.copy("victim", sys.executable), "-c", LONG, PEER4, "7102", "9"]
            client = lab.start("host", *command, stdout=subprocess.PIPE, env=python_home())
            rig.until(lambda rig=rig: rig.app("victim").get("delayed_packets", 0) > 50, "the download to be held", 20)
            os.kill(rig.pid(), how)
            result[how.name] = {"longest_pause_s": round(float(client.communicate()[0]), 2)}
            assert rig.process is not None
            rig.process.wait(15)
            rig.process = None
            rig.unlimit("victim")
            rig.start()
            result[how.name]["left_after_restart"] = classifiers(rig)
    return result


def giveup(_: float) -> dict[str, Any]:
    """The packet rate at which the engine lets go, with the bound out of the way."""
    with Lab() as lab, Rig(lab, "enforcer: {max_packet_rate: 1000000}") as rig:
        in_force(rig, "flood", up=1000 * MBIT)
        best = 0
        for mbit in (20, 50, 100, 150, 200, 300, 400):
            client = rig.begin("-u", "-b", f"{mbit}M", "-l", "500", "-t", "3", app="flood")
            time.sleep(2.5)
            rate = rig.limits()["engine"].get("packets_per_second", 0)
            client.communicate()
            if rig.limits()["state"] != "enforcing":
                return {
                    "highest_rate_sustained": best,
                    "let_go_at_offered": mbit * MBIT // 8 // 528,
                    "why": rig.limits()["reason"],
                }
            best = max(best, rate)
        return {"highest_rate_seen": best, "let_go_at_offered": None}


RECEIVE = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
sock.bind(("", 7200))
sock.settimeout(3)
seen, late, last = set(), 0, -1
try:
    while True:
        number = int.from_bytes(sock.recv(2048)[:8], "big")
        late += number < last
        last = max(last, number)
        seen.add(number)
except TimeoutError:
    pass
print(len(seen), last + 1, late)
"""
SEND = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start, number = time.monotonic(), 0
while time.monotonic() - start < float(sys.argv[2]):
    sock.sendto(number.to_bytes(8, "big") + bytes(992), (sys.argv[1], 7200))
    number += 1
    time.sleep(max(0, start + number / 500 - time.monotonic()))
"""


def stress(seconds: float) -> dict[str, Any]:
    """Random overrides, limits and edits while 500 datagrams a second run under limits that never need AQM."""
    chance = random.Random(7)
    span, changes = seconds * 6, 0
    with Lab() as lab, Rig(lab) as rig:
        command = [rig.copy("receiver", sys.executable), "-c", RECEIVE]
        receiver = lab.start("host", *command, stdout=subprocess.PIPE, env=python_home())
        in_force(rig, "receiver", down=30 * MBIT)
        lab.start("peer", sys.executable, "-c", SEND, HOST4, str(span))
        before, end = rss_mb(rig), time.monotonic() + span
        while time.monotonic() < end:
            what = chance.randrange(10)
            if what == 0:
                rig.write_config(f"# {changes}\nlink: {{down: {chance.randrange(50, 500)}mbit}}")
            elif what == 1:
                rig.unlimit("receiver")
            elif what == 2:
                rig.override("receiver", priority=chance.randrange(6))
            else:
                rig.limit("receiver", down=chance.randrange(20, 60) * MBIT, up=chance.choice([None, 20 * MBIT]))
            changes += 1
            time.sleep(chance.random() * 0.2)
        got, sent, late = (int(word) for word in receiver.communicate()[0].split())
        return {
            "changes": changes,
            "swaps": rig.limits()["engine"].get("swaps"),
            "sent": sent,
            "lost": sent - got,
            "reordered": late,
            "rss_mb_before_and_after": [before, rss_mb(rig)],
            "state": rig.limits()["state"],
            "log": rig.tail(),
        }


def traffictoll(seconds: float, tt: str) -> dict[str, Any]:
    """TrafficToll at a 5 Mbit/s limit of the same programs: IPv4, IPv6 and short connections.

    It loads its IFB device with modprobe; where that is built in or missing, a stand-in makes the device instead.
    """
    rows: dict[str, Any] = {}
    with Lab(down_mbit=20, up_mbit=10) as lab, Rig(lab, mode="observe") as rig:
        names = {"bulk": rig.copy("bulk"), "shorties": rig.copy("shorties", sys.executable)}
        for name, work in (("modprobe", "ip link add ifb0 type ifb"), ("rmmod", "ip link del ifb0")):
            script = rig.data / "bin" / name
            script.write_text(f"#!/bin/sh\n{work} 2>/dev/null\nexit 0\n", encoding="utf-8")
            script.chmod(0o755)
        rules = "".join(f"  {name}:\n    download: 5mbit\n    match:\n      - name: {name}\n" for name in names)
        file = rig.data / "tt.yaml"
        file.write_text(f"download: 18mbit\nupload: 9mbit\nprocesses:\n{rules}", encoding="utf-8")
        path = f"{rig.data / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
        with (rig.data / "tt.log").open("w", encoding="utf-8") as log:
            toll = lab.start("host", tt, lab.interface(), str(file), "--delay", "0.5", stderr=log, env={"PATH": path})
        time.sleep(4)
        if toll.poll() is not None:
            return {"error": (rig.data / "tt.log").read_text(encoding="utf-8")[-1000:]}
        for name, v6 in (("tcp4", False), ("tcp6", True)):
            result = rig.iperf("-R", "-t", str(int(seconds)), v6=v6, app="bulk")
            rows[name] = round(goodput_bps(result) / 5 / MBIT * 100, 1)
        lab.start("peer", sys.executable, "-c", SERVER, "7101", "200000")
        command = [names["shorties"], "-c", SHORT, PEER4, "7101", str(seconds)]
        total = int(lab.run("host", *command, env=python_home()).stdout)
        rows["short_connections"] = round(total * 8 / seconds / (5 * MBIT) * 100, 1)
    return {"percent_of_5_mbit_on_20_mbit_link": rows}


SECTIONS: dict[str, Callable[[float], dict[str, Any]]] = {
    f.__name__: f
    for f in (core, goodput, short, parallel, processes, running, delay, beside, idle, shares, failures, giveup, stress)
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="all of them by default")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--traffictoll", metavar="TT", help="TrafficToll's program, for comparison")
    options = parser.parse_args()
    required()
    result: dict[str, Any] = {}
    for name in options.sections or SECTIONS:
        try:
            result[name] = SECTIONS[name](options.seconds)
        except (AssertionError, RuntimeError, OSError) as error:
            result[name] = {"error": f"{type(error).__name__}: {error}"[:2000]}
    if options.traffictoll:
        result["traffictoll"] = traffictoll(options.seconds, options.traffictoll)
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
