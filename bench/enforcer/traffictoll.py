"""TrafficToll under the same limits, side by side."""

import os
import sys
import time
from typing import Any

from tests.enforcer.datapath.test_packets import SERVER, SHORT, python_home
from tests.enforcer.rig import MBIT, Rig, goodput_bps
from tests.lab import PEER4, Lab


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
