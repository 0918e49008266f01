"""Whose are the bytes that the shaper drops on their way in: a flood of UDP against a limit, beside the collector."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.enforcer.rig import MBIT, Rig
from tests.lab import Lab

ROOT = Path(__file__).parents[2]
LIMIT_BPS = 2 * MBIT
FLOOD = "8M"


def dropped(seconds: float) -> dict[str, Any]:
    """Received bytes of the interface, of the limited application and of nobody (``kernel`` capture, IP bytes)."""
    config = "interval: 1s\ncollector: {capture: kernel, targets: []}\n"
    with Lab() as lab, Rig(lab, config) as rig:
        begin_collector(rig)
        rig.limit("flood", down=LIMIT_BPS)
        rig.iperf("-u", "-R", "-b", FLOOD, "-l", "1200", "-t", str(int(seconds)), app="flood")
        time.sleep(4)  # what is named a tick late is waited for
        app = rig.app("flood")
        columns = rig.store.read("app_traffic", ["rx_bytes"], by=["app"])
        by_app = dict.fromkeys(columns["app"], 0)
        for name, size in zip(columns["app"], columns["rx_bytes"], strict=True):
            by_app[name] += size
        host = rig.store.read("host_traffic", ["rx_bytes", "unattributed_rx_bytes"])
        return {
            "limit_bps": LIMIT_BPS,
            "flood": FLOOD,
            "seconds": seconds,
            "dropped_packets": app.get("dropped_packets"),
            "dropped_down_bytes": app.get("dropped_down_bytes"),
            "interface_rx_bytes": sum(host["rx_bytes"]),
            "application_rx_bytes": by_app.get("flood", 0),
            "unattributed_rx_bytes": sum(host["unattributed_rx_bytes"]),
        }


def begin_collector(rig: Rig) -> None:
    """A collector beside the rig's enforcer, on the same store."""
    with rig.log.open("a", encoding="utf-8") as log:
        rig.lab.start(
            "host",
            sys.executable,
            *("-m", "console", "collector", "--config", str(rig.config), "--data", str(rig.data)),
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    rig.until(lambda: rig.store.get_state("live"), "the collector", 60)
