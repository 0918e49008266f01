"""One run of one mode: the line, the call, the load, and what the enforcer said meanwhile."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.win.sampling import CpuOf, Sampler
from bench.win.scenarios import Scenario, config_of
from bench.win.summary import summary
from tests.enforcer.rig import Rig
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


LEAD_S = 5


def run(scenario: Scenario, mode: str, seconds: float | None = None) -> dict[str, Any]:
    """One run of one mode."""
    span = seconds or scenario.seconds
    how, text = config_of(scenario, mode)
    lab = Lab(down_mbit=scenario.down, up_mbit=scenario.up, buffer_ms=scenario.buffer_ms, shared=scenario.shared)
    with lab, Rig(lab, text, mode=how) as rig:
        with rig.log.open("a", encoding="utf-8") as log:
            command = ["-m", "console", "collector", "--config", str(rig.config), "--data", str(rig.data)]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
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
