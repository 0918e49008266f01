import itertools
import os
from typing import Any

from qos.service import Heartbeat, SelfUsage

_S = 10**9


class _States:
    def __init__(self) -> None:
        self.written: list[tuple[str, Any]] = []

    def set_state(self, key: str, value: Any) -> None:
        self.written.append((key, value))


def test_the_first_beat_is_written_and_says_who() -> None:
    states = _States()
    assert Heartbeat(states, "collector").beat(5 * _S, "running", "kernel", backend="kernel")
    assert states.written == [
        (
            "part:collector",
            {"pid": os.getpid(), "time_ns": 5 * _S, "state": "running", "detail": "kernel", "backend": "kernel"},
        )
    ]


def test_a_calm_part_is_written_at_least_every_two_seconds_and_not_every_tick() -> None:
    states = _States()
    heart = Heartbeat(states, "collector")
    times = [heart.beat(tick * _S // 10) for tick in range(101)]
    written = [index / 10 for index, wrote in enumerate(times) if wrote]
    assert len(written) < 10
    assert max(b - a for a, b in itertools.pairwise(written)) <= 2


def test_a_change_of_state_is_written_at_once() -> None:
    states = _States()
    heart = Heartbeat(states, "enforcer")
    heart.beat(0, "running")
    assert heart.beat(1, "failed open", "pump stalled")
    heart.end(2)
    assert states.written[-1][1]["state"] == "stopped"


def test_a_clock_set_back_does_not_silence_the_part() -> None:
    heart = Heartbeat(_States(), "collector")
    heart.beat(3600 * _S)
    assert heart.beat(1 * _S)


def test_own_cpu_is_a_share_of_one_core_and_starts_at_zero() -> None:
    usage = SelfUsage()
    assert usage.sample(0).cpu_percent == 0.0
    sum(range(3_000_000))
    busy = usage.sample(_S)
    assert busy.cpu_percent > 0
    assert busy.rss_bytes > 1_000_000
