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

from tests.enforcer.datapath.test_packets import classifiers
from tests.enforcer.rig import MBIT, Rig, goodput_bps, result_of
from tests.lab import Lab

LIMIT_BPS: Final = 2 * MBIT


def _limited(datapath: str) -> dict[str, Any]:
    """The datapath that serves, and why not the other; percent of the limit; what is left after ``kill -9``."""
    seen: dict[str, Any] = {"wanted": datapath}
    with Lab() as lab, Rig(lab, datapath=datapath) as rig:
        rig.copy("bulk")
        rig.limit("bulk", down=LIMIT_BPS, up=LIMIT_BPS)
        refused = "holding_off"
        rig.until(lambda: rig.app("bulk").get("down_bps") or rig.limits().get("state") == refused, "it", 30)
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


def _tried(what: Callable[[str], dict[str, Any]], datapath: str) -> dict[str, Any]:
    try:
        return what(datapath)
    except (AssertionError, RuntimeError, OSError, KeyError, subprocess.SubprocessError) as error:
        return {"wanted": datapath, "error": f"{type(error).__name__}: {error}"[:2500]}


def main() -> int:
    begun, Rig.patience = time.monotonic(), 10
    report: dict[str, Any] = {"release": platform.release()}
    for datapath in ("auto", "kernel"):
        report[datapath] = found = _tried(_limited, datapath)
        print(datapath, json.dumps(found), flush=True)
        if found.get("serves") == "kernel":
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
