"""Does an application get the rate that it is limited to: kinds of traffic, connections, processes, at once."""

import os
import random
import statistics
import sys
import time
from typing import Any

from bench.enforcer.process import Cpu
from tests.enforcer.datapath.test_packets import SERVER, SHORT, in_force, python_home
from tests.enforcer.rig import MBIT, Rig, goodput_bps, result_of
from tests.lab import PEER4, Lab

_WIDE_BPS = 40_000 * MBIT


def goodput(seconds: float) -> dict[str, Any]:
    """``GOODPUT_SHARE`` and ``GOODPUT_SEED`` in the environment: only that part of the 32 cases, drawn at random."""
    share, chance = float(os.environ.get("GOODPUT_SHARE", "1")), random.Random(os.environ.get("GOODPUT_SEED", "1"))
    rows = []
    with Lab() as lab, Rig(lab) as rig:
        for rate in (1, 5, 20, 100):
            for protocol in ("tcp", "udp"):
                for v6 in (False, True):
                    for side in ("down", "up"):
                        if chance.random() >= share:
                            continue
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
                                "oldest_ms": engine.get("oldest_ms"),
                            }
                        )
                        rig.unlimit("iperf3")
    inside = sum(92 <= row["percent_of_limit"] <= 103 for row in rows)
    return {"rows": rows, "within_-8_+3_percent": f"{inside} of {len(rows)}"}


def fast(seconds: float) -> dict[str, Any]:
    """500 Mbit/s and 1 Gbit/s, and whether a limit that nobody reaches slows a virtual cable, with GRO and GSO."""
    result: dict[str, Any] = {}
    with Lab(offloads=True) as lab, Rig(lab) as rig:
        for rate in (500, 1000):
            in_force(rig, "bulk", down=rate * MBIT, up=rate * MBIT)
            for side, options in (("down", ["-R"]), ("up", [])):
                got = goodput_bps(rig.iperf("-t", str(int(seconds)), "-O", "1", *options, app="bulk"))
                result[f"percent of {rate} Mbit/s {side}"] = round(got / rate / MBIT * 100, 1)
        in_force(rig, "bulk", down=_WIDE_BPS, up=_WIDE_BPS)
        for side, options in (("down", ["-R"]), ("up", [])):
            for _ in range(2):  # in turn: what else the machine does changes
                for app in ("free", "bulk"):
                    got = goodput_bps(rig.iperf("-t", str(int(seconds)), "-O", "1", *options, app=app))
                    result.setdefault(f"Gbit/s {side}, {app}", []).append(round(got / MBIT / 1000, 2))
    return result


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
    ends = result["end"]
    got = sorted(stream["receiver"]["bytes"] for stream in ends["streams"])
    return {
        "percent_of_5_mbit": round(goodput_bps(result) / 5 / MBIT * 100, 1),
        "least_and_median_and_most_of_an_equal_share": [round(got[at] * 64 / sum(got), 2) for at in (0, 32, 63)],
        "flows_below_a_quarter_of_it": sum(one * 64 < sum(got) / 4 for one in got),
        "retransmits_percent": round(ends["sum_sent"]["retransmits"] / (ends["sum_sent"]["bytes"] / 1448) * 100, 1),
        "filters": engine.get("filters", {}).get("tcp"),
    }


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
