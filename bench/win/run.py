"""One run of one mode: the line, the call, the load, and what the enforcer said meanwhile."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.win.happenings import DelayedPath, happen, no_timestamps
from bench.win.rivals import traffictoll, whole
from bench.win.sampling import CpuOf, Sampler
from bench.win.scenarios import Scenario, config_of
from bench.win.summary import summary
from tests.enforcer.rig import Rig, goodput_bps, result_of
from tests.lab import PEER4, Lab

FIRST = """
import os
try:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except OSError:
    pass
"""
"""What times packets runs before others: a busy machine is no queue on the line."""

CALL = (
    FIRST
    + """
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
)


ECHO = (
    FIRST
    + """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 7400))
while True:
    data, where = sock.recvfrom(2048)
    sock.sendto(data, where)
"""
)


def run(scenario: Scenario, mode: str, seconds: float | None = None, tt: str | None = None) -> dict[str, Any]:
    """One run of one mode; ``tt`` is TrafficToll's program."""
    lab = Lab(down_mbit=scenario.down, up_mbit=scenario.up, buffer_ms=scenario.buffer_ms, shared=scenario.shared)
    how, text = config_of(scenario, mode)
    with lab:
        if not scenario.stamps:
            no_timestamps(lab)
        path = DelayedPath(lab, scenario) if scenario.peer != PEER4 else None
        try:
            with Rig(lab, text, mode=how) as rig:
                return _run(rig, scenario, mode, seconds or scenario.seconds, tt)
        finally:
            if path is not None:
                path.close()


def _run(rig: Rig, scenario: Scenario, mode: str, span: float, tt: str | None) -> dict[str, Any]:
    lab = rig.lab
    with rig.log.open("a", encoding="utf-8") as log:
        command = ["-m", "console", "collector", "--config", str(rig.config), "--data", str(rig.data)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        lab.start("host", sys.executable, *command, stderr=log, env=environment)
    rig.until(lambda: rig.store.get_state("live"), "the collector", 60)
    home = {**os.environ, "PYTHONHOME": sys.base_prefix}
    echo = lab.start("peer", sys.executable, "-c", ECHO)
    if mode == "whole":
        whole(lab, scenario)
    if mode == "traffictoll":
        traffictoll(rig, scenario, tt or "tt")
    if mode == "known":
        warm(rig, scenario)
    time.sleep(1)
    commands = commands_of(rig, scenario, span)
    happens = sorted(scenario.happens)
    for _, what in [one for one in happens if one[0] < 0]:
        happen(lab, what)
    total = scenario.lead_s + span
    command = [rig.copy("call", sys.executable), "-c", CALL, scenario.peer, str(total)]
    begun_ns = time.monotonic_ns()
    call = lab.start("host", *command, stdout=subprocess.PIPE, env=home)
    sampler = Sampler({"down": call.pid, "up": echo.pid})
    cpu = CpuOf(rig.pid())
    time.sleep(scenario.lead_s - (time.monotonic_ns() - begun_ns) / 1e9)
    load_ns = time.monotonic_ns()
    loads = {name: lab.start("host", *command, stdout=subprocess.PIPE) for name, command in commands.items()}
    log_rows = watch(rig, scenario, load_ns, span)
    out = json.loads(call.communicate(timeout=60)[0])
    percent = cpu.percent()
    rows = sampler.stop()
    moved = {name: moved_mbit(one.communicate(timeout=90)[0]) for name, one in loads.items()}
    limits = rig.limits()
    events = [f"{message}" for kind, message in events_of(rig) if kind in ("auto", "let_go", "note", "state")]
    result = summary(scenario, mode, out, rows, load_ns, span, limits, log_rows, events, percent)
    return {**result, "goodput_mbit": moved, "load_average": round(os.getloadavg()[0], 1)}


def moved_mbit(text: str) -> float | None:
    """What an iperf3 client moved; None where it did not end well."""
    try:
        return round(goodput_bps(result_of(text)) / 1e6, 2)
    except (AssertionError, ValueError, KeyError):
        return None


def warm(rig: Rig, scenario: Scenario) -> None:
    """A first busy spell, from which the enforcer learns; then a pause."""
    loads = start_load(rig, scenario, 10)
    for one in loads:
        one.communicate(timeout=60)
    time.sleep(3)


def start_load(rig: Rig, scenario: Scenario, span: float) -> list[subprocess.Popen[Any]]:
    commands = commands_of(rig, scenario, span)
    return [rig.lab.start("host", *command, stdout=subprocess.PIPE) for command in commands.values()]


def commands_of(rig: Rig, scenario: Scenario, span: float) -> dict[str, list[str]]:
    """The clients of the load by application; their servers listen when this returns."""
    common = ["-t", str(int(span)), "-C", scenario.control]
    found = {f"level{level}": rig.client("-R", *common, app=f"level{level}") for level in scenario.levels}
    if scenario.flows:
        found["bulk"] = rig.client("-R", "-P", str(scenario.flows), *common, app="bulk")
    if scenario.browser:
        found["browser"] = rig.client("-R", *common, app="browser")
    if scenario.two_sided:
        found["backup"] = rig.client(*common, app="backup")
    return {name: [scenario.peer if word == PEER4 else word for word in command] for name, command in found.items()}


def other_device(lab: Lab, span: float) -> None:
    """Somebody else at home downloads with eight flows."""
    lab.start("peer", "iperf3", "-s", "-p", "5900")
    time.sleep(0.5)
    lab.start("other", "iperf3", "-c", PEER4, "-p", "5900", "-R", "-P", "8", "-t", str(int(span)))


def watch(rig: Rig, scenario: Scenario, load_ns: int, span: float) -> list[dict[str, Any]]:
    """Let happen what shall, and look at what the enforcer says five times a second."""
    rows: list[dict[str, Any]] = []
    lab, changes, happens = rig.lab, list(scenario.changes), sorted(one for one in scenario.happens if one[0] >= 0)
    other = scenario.other_seconds if scenario.other_load else None
    while (passed := (time.monotonic_ns() - load_ns) / 1e9) < span:
        if changes and passed >= changes[0][0]:
            _, down, up = changes.pop(0)
            lab.link(down, up, scenario.buffer_ms)
        if happens and passed >= happens[0][0]:
            happen(lab, happens.pop(0)[1])
        if other is not None and passed >= other[0]:
            other_device(lab, other[1] - other[0])
            other = None
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
