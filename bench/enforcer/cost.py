"""What it costs: with nobody to limit, a gigabyte under a limit, a packet of somebody who has none."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.enforcer.process import Cpu, rss_mb
from bench.enforcer.spare import Spare
from tests.enforcer.datapath.test_packets import classifiers, in_force
from tests.enforcer.rig import MBIT, Rig, goodput_bps
from tests.lab import Lab

_MACHINE_BPS: Final = {"kernel": 400 * MBIT, "divert": 100 * MBIT, "auto": 400 * MBIT}
_BPF_STATS: Final = Path("/proc/sys/kernel/bpf_stats_enabled")


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


def _opened(rig: Rig) -> bool:
    return bool(rig.limits()["engine"]["handles"])


def machine(seconds: float) -> dict[str, Any]:
    """CPU seconds of the whole machine for a gigabyte: nobody limited, and limited to that rate, in turn.

    Both ends of the line and the enforcer are on this machine. What it does without traffic is taken off.
    """
    rate = _MACHINE_BPS[Rig.default_datapath]
    result: dict[str, Any] = {"mbit": rate // MBIT}
    with Spare() as spare:
        for merged in (True, False):
            with Lab(offloads=merged) as lab, Rig(lab) as rig:
                in_force(rig, "held", down=rate, up=rate)
                rig.until(partial(_opened, rig), "the datapath to be open", 20)
                for side, options in (("down", ["-R"]), ("up", [])):
                    costs = {}
                    for app in ("free", "held"):
                        port = rig.server()
                        resting = spare.resting(1.5)
                        since = spare.look()
                        offered = ["-t", str(int(seconds)), "-b", str(rate)]
                        got = rig.iperf(*options, *offered, app=app, port=port)
                        moved = goodput_bps(got) / 8 * seconds / 1e9
                        costs[app] = round(spare.spent(since, resting) / moved, 2)
                        costs[f"{app}_mbit"] = round(goodput_bps(got) / MBIT, 1)
                    costs["held_to_free"] = round(costs["held"] / costs["free"], 2)
                    result[f"{side} {'with' if merged else 'without'} GRO/GSO, CPU-s/GB"] = costs
    return result


@contextmanager
def _bpf_times() -> Iterator[None]:
    before = _BPF_STATS.read_text(encoding="ascii")
    _BPF_STATS.write_text("1", encoding="ascii")
    try:
        yield
    finally:
        _BPF_STATS.write_text(before, encoding="ascii")


def _programs(pid: int) -> dict[str, tuple[int, int]]:
    """Of each BPF program that the process has open: ns that it ran, how often (fdinfo, while times are kept)."""
    found: dict[str, tuple[int, int]] = {}
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = file.read_text(encoding="ascii")
        except OSError:
            continue
        fields = dict(re.findall(r"^(\w+):\s*(\S+)$", text, re.MULTILINE))
        if "run_cnt" in fields:
            found[fields["prog_id"]] = int(fields["run_time_ns"]), int(fields["run_cnt"])
    return found


def packet(seconds: float) -> dict[str, Any]:
    """What the programs take of a packet while another application is limited: ns by the kernel's own clock for them.

    Only for the kernel's queues: the programs of diverting belong to the packet library's own process table.
    """
    result: dict[str, Any] = {}
    with Lab() as lab, Rig(lab) as rig, _bpf_times():
        in_force(rig, "held", down=50 * MBIT, up=50 * MBIT)
        rig.until(lambda: rig.limits()["engine"]["handles"], "the datapath to be open", 20)
        for app in ("free", "held"):
            for side, options in (("down", ["-R"]), ("up", [])):
                before, counted = _programs(rig.pid()), lab.counters()
                rig.iperf("-u", "-b", "40M", "-l", "1000", "-t", str(int(seconds)), *options, app=app)
                moved = lab.counters() - counted
                packets = max(moved.rx_packets, moved.tx_packets)
                after = _programs(rig.pid())
                ran = {each: after[each][1] - before.get(each, (0, 0))[1] for each in after}
                spent = {
                    each: (after[each][0] - before.get(each, (0, 0))[0]) / runs for each, runs in ran.items() if runs
                }
                # Other namespaces' packets run the cgroup's programs too: once a packet is what is asked.
                every = [ns for each, ns in spent.items() if ran[each] > 0.9 * packets]
                result[f"{app} {side}"] = {"ns_a_packet": round(sum(every)), "programs_on_every_packet": len(every)}
    return result
