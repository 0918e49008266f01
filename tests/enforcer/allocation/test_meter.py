"""What passes beside the classes."""

from collections.abc import Mapping

from enforcer.allocation.meter import UnheldMeter
from enforcer.qdisc.classifier import ClassStats
from enforcer.qdisc.queued_packet import Counts
from qos.contract.direction import Direction

TICK_NS = 100_000_000
M = 1_000_000


def stats(**passed: int) -> Mapping[str, Mapping[Direction, ClassStats]]:
    return {app: {"down": ClassStats(Counts(released_bytes=count), 0, 0)} for app, count in passed.items()}


def test_what_no_class_moved_is_measured_once_it_was_watched_for_a_while() -> None:
    meter = UnheldMeter()
    told = [meter.bps(tick * TICK_NS, {"down": tick * 50_000, "up": 0}, {}) for tick in range(4)]
    assert told[:2] == [{}, {}]
    assert told[3] == {"down": 4 * M, "up": 0}


def test_what_a_class_moved_is_taken_off() -> None:
    meter = UnheldMeter()
    told: Mapping[Direction, int] = {}
    for tick in range(10):
        told = meter.bps(tick * TICK_NS, {"down": tick * 50_000, "up": 0}, stats(bulk=tick * 40_000))
    assert told["down"] == 800_000


def test_a_download_that_gets_a_class_is_not_beside_itself() -> None:
    """It passed for half a second before: counted against the budget that it is held in, it got the least rate."""
    meter = UnheldMeter()
    for tick in range(6):
        meter.bps(tick * TICK_NS, {"down": tick * 200_000, "up": 0}, {})
    for tick in range(6, 16):
        told = meter.bps(tick * TICK_NS, {"down": tick * 200_000, "up": 0}, stats(bulk=(tick - 6) * 200_000))
        assert told.get("down", 0) == 0, f"{tick - 6} ticks after"
        assert told["up"] == 0
