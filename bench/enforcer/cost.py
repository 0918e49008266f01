"""What it costs with nobody to limit."""

import time
from typing import Any

from bench.enforcer.process import Cpu, rss_mb
from tests.enforcer.datapath.test_packets import classifiers
from tests.enforcer.rig import Rig
from tests.lab import Lab


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
