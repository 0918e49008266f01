import itertools
import os
from dataclasses import replace
from typing import Any

from qos.contract.documents.heartbeat import Heartbeat
from qos.service import HeartbeatWriter, SelfUsage, written_by_the_living
from qos.system.process_start import process_start

_S = 10**9


class _States:
    def __init__(self) -> None:
        self.written: list[tuple[str, Any]] = []

    def set_state(self, key: str, value: Any) -> None:
        self.written.append((key, value))


def test_the_first_beat_is_written_and_says_who() -> None:
    states = _States()
    assert HeartbeatWriter(states, "collector").beat(5 * _S, "running", "kernel", backend="kernel")
    ((key, document),) = states.written
    assert key == "part:collector"
    start = process_start(os.getpid())
    assert start
    assert Heartbeat.parse(document) == Heartbeat(
        os.getpid(), 5 * _S, "running", "kernel", start, report={"backend": "kernel"}
    )


def test_a_calm_part_is_written_at_least_every_two_seconds_and_not_every_tick() -> None:
    states = _States()
    heart = HeartbeatWriter(states, "collector")
    times = [heart.beat(tick * _S // 10) for tick in range(101)]
    written = [index / 10 for index, wrote in enumerate(times) if wrote]
    assert len(written) < 10
    assert max(b - a for a, b in itertools.pairwise(written)) <= 2


def test_a_change_of_state_is_written_at_once() -> None:
    states = _States()
    heart = HeartbeatWriter(states, "enforcer")
    heart.beat(0, "running")
    assert heart.beat(1, "failed open", "pump stalled")
    heart.end(2)
    assert states.written[-1][1]["state"] == "stopped"


def test_a_clock_set_back_does_not_silence_the_part() -> None:
    heart = HeartbeatWriter(_States(), "collector")
    heart.beat(3600 * _S)
    assert heart.beat(1 * _S)


def test_a_part_runs_while_its_heartbeat_is_fresh_and_that_very_process_lives() -> None:
    me, start = os.getpid(), process_start(os.getpid()) or 0
    beat = Heartbeat(me, 100 * _S, "running", start=start)
    assert written_by_the_living(beat, 105 * _S)
    assert not written_by_the_living(beat, 106 * _S)
    assert not written_by_the_living(replace(beat, state="stopped"), 100 * _S)
    assert not written_by_the_living(replace(beat, pid=2**22 - 3), 100 * _S)
    assert not written_by_the_living(replace(beat, start=start + 1), 100 * _S)  # another process with its PID
    assert written_by_the_living(replace(beat, every_ns=30 * _S), 180 * _S)


def test_own_cpu_is_a_share_of_one_core_and_starts_at_zero() -> None:
    usage = SelfUsage()
    assert usage.sample(0).cpu_percent == 0.0
    sum(range(3_000_000))
    busy = usage.sample(_S)
    assert busy.cpu_percent > 0
    assert busy.rss_bytes > 1_000_000
