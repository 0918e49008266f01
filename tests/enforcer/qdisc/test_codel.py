"""CoDel's judgement, packet by packet, with literal times."""

from itertools import pairwise

from enforcer.qdisc.codel import LINUX, WINDOWS, Aim, Codel, aim_for

MS = 1_000_000


def run(codel: Codel, start_ms: int, stop_ms: int, sojourn_ms: int, backlog: int = 100) -> list[int]:
    """Milliseconds at which a packet was dropped, one packet leaving each millisecond."""
    dropped = []
    for ms in range(start_ms, stop_ms):
        while codel.judge(LINUX, ms * MS, sojourn_ms * MS, backlog):
            dropped.append(ms)
    return dropped


def test_nothing_is_dropped_within_the_first_interval_above_target() -> None:
    assert run(Codel(), 1, 100, 6) == []


def test_a_standing_queue_is_dropped_from_after_an_interval_and_then_faster() -> None:
    dropped = run(Codel(), 1, 1_001, 6)
    assert dropped[0] == 101
    gaps = [b - a for a, b in pairwise(dropped)]
    assert gaps[0] == 100  # interval / sqrt(1)
    assert gaps == sorted(gaps, reverse=True)
    assert dropped[:5] == [101, 201, 272, 330, 380]  # RFC 8289: t + interval/sqrt(count)


def test_a_short_queue_stops_the_dropping_at_once() -> None:
    codel = Codel()
    assert run(codel, 1, 400, 6)
    assert run(codel, 400, 401, 4) == []
    assert run(codel, 401, 500, 6) == []  # a full interval above target is needed again


def test_coming_back_soon_starts_near_the_last_rate() -> None:
    codel = Codel()
    first = run(codel, 1, 2_000, 6)
    run(codel, 2_000, 2_001, 0)
    again = run(codel, 2_001, 2_400, 6)
    fresh = run(Codel(), 2_001, 2_400, 6)
    assert len(first) > 20
    assert len(again) > 2 * len(fresh)


def test_a_flow_with_a_window_of_the_least_size_is_never_dropped_from() -> None:
    for backlog in (1, 2, 3, 4):
        assert run(Codel(), 1, 3_000, 500, backlog=backlog) == []
    assert run(Codel(), 1, 3_000, 500, backlog=5) != []


def test_low_rates_get_room_for_two_packets() -> None:
    assert aim_for(LINUX, 100_000_000) == LINUX
    assert aim_for(WINDOWS, 100_000_000) == Aim(15 * MS, 150 * MS)
    slow = aim_for(LINUX, 64_000)
    assert slow.target_ns == 378_500_000
    assert slow.interval_ns == 4 * slow.target_ns
