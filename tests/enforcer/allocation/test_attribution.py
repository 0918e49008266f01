"""Whose queue it is: told by timestamps, else by use; never a direction without elastic traffic."""

from enforcer.allocation.attribution import Use, guilty
from enforcer.allocation.delay_detector import Delay

MS = 10**6
M = 1_000_000
LATE = Delay(voters=1, congested=True, rising=True, queue_ns=80 * MS)


def test_timestamps_decide() -> None:
    both = {"down": Use(20 * M, 19 * M), "up": Use(10 * M, 9 * M)}
    up = Delay(1, True, True, queue_ns=80 * MS, one_way_ns={"down": 1 * MS, "up": 79 * MS})
    assert guilty(up, both) == {"up"}  # type: ignore[arg-type]
    two = Delay(1, True, True, queue_ns=80 * MS, one_way_ns={"down": 40 * MS, "up": 40 * MS})
    assert guilty(two, both) == {"down", "up"}  # type: ignore[arg-type]


def test_without_them_the_used_direction_is_meant() -> None:
    assert guilty(LATE, {"down": Use(20 * M, 19 * M), "up": Use(M // 2, 0)}) == {"down"}
    assert guilty(LATE, {"down": Use(20 * M, 19 * M, 20 * M), "up": Use(5 * M, 5 * M, 10 * M)}) == {"down"}
    assert guilty(LATE, {"down": Use(5 * M, 5 * M, 20 * M), "up": Use(9 * M, 9 * M)}) == {"up"}


def test_acknowledgements_of_the_other_direction_are_no_load() -> None:
    assert guilty(LATE, {"down": Use(20 * M, 20 * M), "up": Use(M, M * 9 // 10)}) == {"down"}


def test_where_nothing_can_be_cut_nobody_is_guilty() -> None:
    assert guilty(LATE, {"down": Use(20 * M, 0), "up": Use(10 * M, 0)}) == frozenset()
