"""The collector beside limits in the kernel's queues: each byte is counted once, for its application and in the sum."""

import sys
import time

import pytest

from bench.enforcer.dropped import begin_collector
from tests.enforcer.datapath.test_packets import in_force
from tests.enforcer.rig import MBIT, Rig, required
from tests.lab import Lab

if sys.platform != "linux":
    pytest.skip("the kernel's queues are Linux's", allow_module_level=True)

pytestmark = [pytest.mark.packets, pytest.mark.timeout(180)]

CONFIG = "interval: 1s\ncollector: {capture: kernel, targets: []}\n"


def test_bytes_that_cross_our_devices_are_counted_once() -> None:
    required("kernel")
    with Lab() as lab, Rig(lab, CONFIG, datapath="kernel") as rig:
        begin_collector(rig)
        in_force(rig, "bulk", down=8 * MBIT, up=8 * MBIT)
        before = lab.counters()
        for options in (["-R"], []):
            rig.iperf("-t", "4", *options, app="bulk")
        wire = lab.counters() - before
        time.sleep(3)  # what is named a tick late is waited for
        app = rig.store.read("app_traffic", ["rx_bytes", "tx_bytes"], by=["app"])
        host = rig.store.read("host_traffic", ["rx_bytes", "tx_bytes"])
    assert wire.rx_bytes > 3_000_000
    assert wire.tx_bytes > 3_000_000
    for column in ("rx_bytes", "tx_bytes"):
        on_the_wire = getattr(wire, column)
        assert sum(host[column]) == pytest.approx(on_the_wire, rel=0.02)
        counted = sum(size for name, size in zip(app["app"], app[column], strict=True) if name == "bulk")
        assert counted == pytest.approx(on_the_wire, rel=0.02)
