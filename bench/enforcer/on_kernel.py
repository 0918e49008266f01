"""What one kernel does with limits; ``bench.enforcer.kernels`` runs this inside each. The last line is the report."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from tests.enforcer.datapath.test_packets import classifiers, in_force
from tests.enforcer.rig import MBIT, Rig, goodput_bps, result_of
from tests.lab import HOST4, Lab, Where

_ROUTER4: Final = "10.77.0.254"
LIMIT_BPS: Final = 2 * MBIT


def _limited(datapath: str) -> dict[str, Any]:
    """The datapath that serves, and why not the other; percent of the limit; what is left after ``kill -9``."""
    seen: dict[str, Any] = {"wanted": datapath}
    with Lab() as lab, Rig(lab, datapath=datapath) as rig:
        rig.copy("bulk")
        rig.limit("bulk", down=LIMIT_BPS, up=LIMIT_BPS)
        refused = "holding_off"
        rig.until(
            lambda: rig.limits().get("engine", {}).get("handles") or rig.limits().get("state") == refused, "it", 30
        )
        time.sleep(10)
        limits = rig.limits()
        engine = limits["engine"]
        seen |= {"serves": engine.get("datapath"), "why": engine.get("why"), "state": limits["state"]}
        if limits["state"] == refused:
            return seen | {"reason": limits.get("reason")}
        for side, options in (("down", ["-R"]), ("up", [])):
            result = rig.iperf("-t", "10", "-O", "2", *options, app="bulk")
            seen[f"percent_{side}"] = round(goodput_bps(result) / LIMIT_BPS * 100, 1)
        seen["delayed_packets"] = rig.app("bulk").get("delayed_packets")
        client = rig.begin("-R", "-t", "16", "-b", "20M", app="bulk")
        time.sleep(5)
        os.kill(rig.pid(), signal.SIGKILL)
        assert rig.process is not None
        rig.process.wait(30)
        rig.process = None
        time.sleep(5)
        links = lab.run("host", "ip", "-br", "link").stdout.split()
        seen["devices_left"] = [word for word in links if word.startswith("autoqos")]
        seen["classifiers_left"] = classifiers(rig)
        got = [one["sum"]["bits_per_second"] for one in result_of(client.communicate()[0])["intervals"]]
        seen["mbit_before_and_after_kill"] = [round(got[3] / MBIT, 1), round(max(got[-4:]) / MBIT, 1)]
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
    seen: dict[str, Any] = {}
    with Lab() as lab, Rig(lab, datapath="kernel") as rig:
        {"vlan": vlan, "bond": bond}[made_of](lab)
        in_force(rig, "bulk", down=LIMIT_BPS, up=LIMIT_BPS)
        rig.until(lambda: rig.limits()["engine"]["handles"] > 5, "both interfaces to be covered", 30)
        for side, options in (("down", ["-R"]), ("up", [])):
            got = goodput_bps(rig.iperf("-t", "6", "-O", "2", *options, app="bulk"))
            seen[f"percent_{side}"] = round(got / LIMIT_BPS * 100, 1)
    return seen


def _tried(what: Callable[[str], dict[str, Any]], datapath: str) -> dict[str, Any]:
    try:
        return what(datapath)
    except (AssertionError, RuntimeError, OSError, KeyError, subprocess.SubprocessError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:2500]}


def main() -> int:
    begun, Rig.patience = time.monotonic(), 10
    report: dict[str, Any] = {"release": platform.release()}
    for datapath in ("auto", "kernel"):
        report[datapath] = found = _tried(_limited, datapath)
        print(datapath, json.dumps(found), flush=True)
        if found.get("serves") == "kernel":
            report |= {made_of: _tried(_behind, made_of) for made_of in ("vlan", "bond")}
            break
    report["seconds"] = round(time.monotonic() - begun)
    dmesg = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout.splitlines()
    report["kernel_log"] = [line for line in dmesg if any(word in line for word in ("tbf", "BUG", "WARNING", "bpf"))][
        -5:
    ]
    print("RESULT", json.dumps(report), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
