"""The others, beside it in the same run: one limit for the whole line, and TrafficToll."""

import os
import time

from bench.win.scenarios import Scenario
from tests.enforcer.rig import Rig
from tests.lab import Lab

PRIORITIES = {"call": 0, "browser": 1, "bulk": 2, "backup": 2}


def whole(lab: Lab, scenario: Scenario) -> None:
    """The classic answer: one limit of 95 % for the whole line in the host, both ways, knowing no applications.

    A token bucket with a first-in-first-out queue of 50 ms; better queues (fq_codel, CAKE) are used where the kernel
    has them.
    """
    device = lab.interface()
    lab.run("host", "ip", "link", "add", "ifb0", "type", "ifb")
    lab.run("host", "ip", "link", "set", "ifb0", "up")
    lab.run("host", "tc", "qdisc", "add", "dev", device, "ingress")
    everything = ("protocol", "all", "u32", "match", "u32", "0", "0")
    redirect = ("action", "mirred", "egress", "redirect", "dev", "ifb0")
    lab.run("host", "tc", "filter", "add", "dev", device, "parent", "ffff:", *everything, *redirect)
    for where, rate in ((device, scenario.up), ("ifb0", scenario.down)):
        limit = str(max(int(rate * 1e6 / 8 * 0.05), 15000))
        shape = ("tbf", "rate", f"{int(rate * 950)}kbit", "burst", "20kb", "limit", limit)
        lab.run("host", "tc", "qdisc", "replace", "dev", where, "root", "handle", "1:", *shape)
        lab.run("host", "tc", "qdisc", "replace", "dev", where, "parent", "1:1", "fq_codel", check=False)


def traffictoll(rig: Rig, scenario: Scenario, tt: str) -> None:
    """TrafficToll with the right static limits: 95 % of the line, and the applications' priorities in that order.

    It loads its IFB device with modprobe; where that is built in, a stand-in makes the device instead. RuntimeError
    when it ends at once.
    """
    folder = rig.data / "bin"
    folder.mkdir(exist_ok=True)
    for name, work in (("modprobe", "ip link add ifb0 type ifb"), ("rmmod", "ip link del ifb0")):
        script = folder / name
        script.write_text(f"#!/bin/sh\n{work} 2>/dev/null\nexit 0\n", encoding="utf-8")
        script.chmod(0o755)
    rules = "".join(
        f"  {name}:\n    download-priority: {place}\n    upload-priority: {place}\n    match:\n      - name: {name}\n"
        for name, place in PRIORITIES.items()
    )
    file = rig.data / "tt.yaml"
    limits = f"download: {int(scenario.down * 950)}kbps\nupload: {int(scenario.up * 950)}kbps\n"
    limits = limits.replace("kbps", "kbit")
    lowest = "download-priority: 3\nupload-priority: 3\n"
    file.write_text(f"{limits}{lowest}processes:\n{rules}", encoding="utf-8")
    path = f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"
    with (rig.data / "tt.log").open("w", encoding="utf-8") as log:
        words = (tt, rig.lab.interface(), str(file), "--delay", "0.5")
        toll = rig.lab.start("host", *words, stderr=log, env={"PATH": path})
    time.sleep(4)
    if toll.poll() is not None:
        raise RuntimeError(f"TrafficToll: {(rig.data / 'tt.log').read_text(encoding='utf-8')[-800:]}")
