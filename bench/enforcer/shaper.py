"""The shaper alone, without packets of the system."""

import time
from typing import Any

from enforcer.qdisc.queued_packet import QueuedPacket
from enforcer.qdisc.shaper import Shaper
from tests.enforcer.rig import MBIT


def core(_: float) -> dict[str, Any]:
    """The shaper alone: microseconds per packet, submit and release together."""
    result = {}
    for rate in (20 * MBIT, 100 * MBIT):
        shaper, count, gap = Shaper(0, rate, inbound=True), 100_000, 1500 * 8 * 10**9 // rate
        start = time.process_time()
        for i in range(count):
            now = i * gap
            shaper.submit(now, QueuedPacket((6, i % 8), 1500, now))
            shaper.release(now)
        result[f"us_per_packet_at_{rate // MBIT}_mbit"] = round((time.process_time() - start) * 1e6 / count, 2)
    return result
