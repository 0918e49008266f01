"""How long packets wait, and what that does to applications beside."""

import statistics
import subprocess
import sys
import time
from typing import Any

from bench.enforcer.process import here
from tests.enforcer.datapath.test_packets import in_force
from tests.enforcer.rig import MBIT, Rig, goodput_bps, result_of
from tests.lab import PEER4, Lab

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
                result["filters"] = rig.limits()["engine"].get("filters", {}).get("tcp")
    result["goodput_change_percent"] = round(
        (result["with"]["goodput_mbit"] / result["without"]["goodput_mbit"] - 1) * 100, 2
    )
    result["ping_p99_change_ms"] = round(result["with"]["ping_p99_ms"] - result["without"]["ping_p99_ms"], 3)
    return result
