"""What one kernel does with limits; ``bench.enforcer.kernels`` runs this inside each. The last line is the report.

The datapath is opened as the enforcer opens it, without the rest of the enforcer: an emulated processor is slow.
"""

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.lab import HOST4, PEER4, Lab, Where
from tests.require import program

MBIT: Final = 1_000_000
LIMIT_BPS: Final = 2 * MBIT
ROOT: Final = Path(__file__).parents[2]
_ROUTER4: Final = "10.77.0.254"
_HOLD: Final = """
import os, sys, time
from enforcer.datapath.choice import DatapathChoice
from enforcer.datapath.session import DivertDatapath
from enforcer.locked_processes import LockedProcesses
from enforcer.qdisc.classifier import RateLimits
from enforcer.run import kernel, machine
processes = LockedProcesses()
choice = DatapathChoice(DivertDatapath(machine(processes)), kernel(processes), sys.argv[1])
own = frozenset({os.getpid()})
try:
    held = choice.open(max_packet_rate=None, hold_off_ns=0, own=own)
except OSError as error:
    print("refused", error.strerror, sep="\\t", flush=True)
    sys.exit()
rate = int(sys.argv[2])
while held.failed is None:
    held.refresh(own)
    held.set_rates({"iperf3": RateLimits(rate, rate)})
    told = held.describe()
    if held.in_force and told.handles:
        delayed = sum(side.counts.delayed for side in held.stats().get("iperf3", {}).values())
        print("holds", told.datapath, told.why, told.handles, delayed, sep="\\t", flush=True)
    held.wait(0.2)
print("failed", held.failed, sep="\\t", flush=True)
"""


class Holder:
    """A process in the lab's host that holds iperf3 to ``LIMIT_BPS`` each way."""

    def __init__(self, lab: Lab, datapath: str) -> None:
        self._lab = lab
        self._said = Path("/tmp") / f"said-{datapath}-{time.monotonic_ns()}"
        with self._said.open("w", encoding="utf-8") as out:
            command = [sys.executable, "-c", _HOLD, datapath, str(LIMIT_BPS)]
            self.process = lab.start("host", *command, stdout=out, stderr=out, env={"PYTHONPATH": str(ROOT)})
        self.first = self._wait()

    def _wait(self) -> list[str]:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            lines = self._said.read_text(encoding="utf-8").splitlines(keepends=True)
            told = [line for line in lines if line.startswith(("holds", "refused", "failed")) and line.endswith("\n")]
            if told:
                return told[0].rstrip("\n").split("\t")
            if (status := self.process.poll()) is not None:
                return [f"ended with {status}", "".join(lines)[-500:]]
            time.sleep(0.5)
        return ["silent", self._said.read_text(encoding="utf-8")[-500:]]

    def last(self) -> list[str]:
        """What it said last: ``holds``, datapath, why not the other, handles, delayed packets."""
        lines = self._said.read_text(encoding="utf-8").splitlines()
        return lines[-1].split("\t") if lines else []


def _begin(lab: Lab, port: int, *options: str) -> "subprocess.Popen[Any]":
    lab.start("peer", program("iperf3"), "-s", "-1", "-p", str(port))
    for _ in range(200):
        if lab.run("peer", "ss", "-Hltn", f"sport = :{port}").stdout:
            break
        time.sleep(0.2)
    command = [program("iperf3"), "-c", PEER4, "-p", str(port), "-J", *options]
    return lab.start("host", *command, stdout=subprocess.PIPE)


def _rate(lab: Lab, port: int, *options: str) -> float:
    """Percent of the limit that iperf3 gets."""
    result = json.loads(_begin(lab, port, "-t", "6", "-O", "2", *options).communicate(timeout=120)[0])
    if "error" in result:
        raise OSError(f"iperf3: {result['error']}")
    return round(float(result["end"]["sum_received"]["bits_per_second"]) / LIMIT_BPS * 100, 1)


def _limited(datapath: str) -> dict[str, Any]:
    """The datapath that serves, and why not the other; percent of the limit; what is left after ``kill -9``."""
    with Lab() as lab:
        holder = Holder(lab, datapath)
        seen: dict[str, Any] = {"says": holder.first}
        if holder.first[0] != "holds":
            return seen
        time.sleep(3)
        seen |= {"percent_down": _rate(lab, 5301, "-R"), "percent_up": _rate(lab, 5302), "said": holder.last()}
        client = _begin(lab, 5303, "-R", "-t", "12", "-b", "10M")
        time.sleep(4)
        holder.process.send_signal(signal.SIGKILL)
        intervals = json.loads(client.communicate(timeout=120)[0])["intervals"]
        got = [round(one["sum"]["bits_per_second"] / MBIT, 1) for one in intervals]
        seen["mbit_each_second_killed_in_the_fourth"] = got
        words = lab.run("host", "ip", "-br", "link").stdout.split()
        seen["devices_left"] = [word for word in words if word.startswith("autoqos")]
    return seen


def vlan(lab: Lab) -> None:
    """The way out is a tagged network on the interface."""
    ends: tuple[tuple[Where, str, str], ...] = (
        ("host", lab.interface(), "10.78.0.1"),
        ("router", f"{lab.prefix}r0", "10.78.0.254"),
    )
    for where, device, address in ends:
        made = lab.run(
            where, "ip", "link", "add", "link", device, "name", "tag7", "type", "vlan", "id", "7", check=False
        )
        if made.returncode:
            raise OSError(f"this kernel has no vlan: {made.stderr}")
        lab.run(where, "ip", "addr", "add", f"{address}/24", "dev", "tag7")
        lab.run(where, "ip", "link", "set", "tag7", "up")
    lab.run("host", "ip", "route", "replace", "default", "via", "10.78.0.254")


def bond(lab: Lab) -> None:
    """The interface is one of a bond."""
    port = lab.interface()
    made = lab.run("host", "ip", "link", "add", "bond7", "type", "bond", "mode", "active-backup", check=False)
    if made.returncode:
        raise OSError(f"this kernel has no bond: {made.stderr}")
    router = lab.run("host", "ip", "neigh", "show", _ROUTER4).stdout.split()[4]
    lab.run("host", "ip", "link", "set", port, "down")
    lab.run("host", "ip", "link", "set", port, "master", "bond7")
    lab.run("host", "ip", "link", "set", "bond7", "up")
    lab.run("host", "ip", "addr", "add", f"{HOST4}/24", "dev", "bond7")
    lab.run("host", "ip", "neigh", "replace", _ROUTER4, "lladdr", router, "dev", "bond7")
    lab.run("host", "ip", "route", "replace", "default", "via", _ROUTER4)


def _behind(made_of: str) -> dict[str, Any]:
    """Percent of the limit where the interface is made of another."""
    with Lab() as lab:
        {"vlan": vlan, "bond": bond}[made_of](lab)
        holder = Holder(lab, "kernel")
        time.sleep(3)
        found = {"percent_down": _rate(lab, 5301, "-R"), "percent_up": _rate(lab, 5302), "said": holder.last()}
        holder.process.kill()
    return found


def _tried(what: Callable[[str], dict[str, Any]], datapath: str) -> dict[str, Any]:
    try:
        return what(datapath)
    except (AssertionError, RuntimeError, OSError, KeyError, subprocess.SubprocessError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:2500]}


def main() -> int:
    begun = time.monotonic()
    report: dict[str, Any] = {"release": platform.release()}
    report["auto"] = found = _tried(_limited, "auto")
    print("SO FAR", json.dumps(report), flush=True)
    if found.get("says", [""])[1:2] == ["kernel"]:
        report |= {made_of: _tried(_behind, made_of) for made_of in ("vlan", "bond")}
    report["seconds"] = round(time.monotonic() - begun)
    dmesg = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout.splitlines()
    report["kernel_log"] = [line for line in dmesg if any(word in line for word in ("tbf", "BUG", "WARNING", "bpf"))][
        -5:
    ]
    print("RESULT", json.dumps(report), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
