"""One direction's phases: what one episode of cuts may conclude, and when a cut was vain."""

from dataclasses import replace

import pytest

from enforcer.allocation.capacity import CapacityEstimate, Passed
from enforcer.allocation.congestion import step
from enforcer.allocation.delay_detector import Delay
from enforcer.allocation.line_state import Line, Load, State
from enforcer.allocation.phases import turn
from qos.contract.direction import DIRECTIONS, Direction
from tests.enforcer.allocation.line import MS, TICK_NS, M, S, idle, line

BEGIN = 100 * S
LOAD = Load(total_bytes=0, elastic_bps=5 * M)


def cut(queue_ms: int, *looks: tuple[int, float, int], bps: int = 10 * M) -> Line:
    """A line that was cut at ``BEGIN``. Looks: ms since then, Mbytes, ms of queue."""
    known = CapacityEstimate(bps, 0.5, BEGIN)
    seen = tuple(Passed(BEGIN + at * MS, int(passed * M), queue * MS) for at, passed, queue in looks)
    return Line(
        "drain", known, known, bps // 2, cut_ns=BEGIN, cut_queue_ns=queue_ms * MS, looks=seen, grown_ns=0
    )  # fmt: skip


def after(
    made: Line, at_ms: int, queue_ms: int, direction: Direction = "up", *, base_ms: int = 0, moved: int = 30_000
) -> Line:
    """The line after a step at which a queue was seen; ``moved`` bytes since the last."""
    delay = Delay(
        queue_ns=queue_ms * MS, voters=1, rising=queue_ms > 0, congested=queue_ms > 0, clear=queue_ms == 0,
        base_ns=base_ms * MS,
    )  # fmt: skip
    look = Passed(BEGIN + at_ms * MS, made.looks[-1].bytes + moved, queue_ms * MS)
    return turn(
        replace(made, looks=(*made.looks, look)), BEGIN + at_ms * MS, TICK_NS, direction, LOAD, delay, None,
        cut=False, may_probe=False, in_force=True, relieved=False, notes=[],
    )  # fmt: skip


def test_one_episode_concludes_at_most_that_the_line_fell_to_a_half() -> None:
    """0.1 MB are sent while 0.5 s of queue leave: 1.6 Mbit/s, on a line that was known to carry ten."""
    shrinking = cut(500, (0, 0.0, 500), (500, 0.05, 250), (1000, 0.1, 2))
    assert after(shrinking, 1050, 0).capacity == CapacityEstimate(5 * M, 0.4, BEGIN + 1050 * MS)
    known = replace(shrinking, trusted=CapacityEstimate(2 * M, 0.5, BEGIN))
    found = after(known, 1050, 0).capacity
    assert found is not None
    assert 1.5 * M < found.bps < 1.8 * M


def test_an_echo_that_was_sent_before_the_cut_tells_how_long_the_queue_was_then() -> None:
    """The cut was made at 100 ms of queue; the echo that comes next had waited for 400."""
    made = cut(100, (-300, 0.0, 40), (0, 0.3, 100))
    made = after(made, 300, 400, "down")
    assert made.cut_queue_ns == 400 * MS
    for at_ms in range(350, 1400, 50):  # it shrinks by a tenth of a second in a second
        made = after(made, at_ms, 400 - at_ms // 10, "down")
    assert made.vain_cuts == 0
    late = after(cut(100, (-300, 0.0, 40), (0, 0.3, 100)), 650, 400, "down")
    assert late.cut_queue_ns == 100 * MS  # sent after the cut: the queue grew under it
    far = after(cut(100, (-300, 0.0, 40), (0, 0.3, 100)), 650, 400, "down", base_ms=200)
    assert far.cut_queue_ns == 400 * MS  # the target is far: it was sent before


@pytest.mark.parametrize(("moved", "vain"), [(30_000, 1), (62_500, 0)], ids=["what the cut lets pass", "the line"])
def test_a_cut_is_vain_at_once_where_the_queue_grows_though_no_more_arrives_than_it_lets_pass(
    moved: int, vain: int
) -> None:
    """It took two thirds of a second to be sure, in which the other direction's queue grew on."""
    made = cut(40, (-300, 0.0, 40), (0, 0.3, 40))
    for at_ms in range(50, 451, 50):
        made = after(made, at_ms, 40 + at_ms // 4, "down", moved=moved)
    assert made.vain_cuts == vain


@pytest.mark.parametrize("up_vain", [0, 2])
def test_the_share_is_not_given_back_while_a_cut_of_the_other_direction_may_still_help(up_vain: int) -> None:
    """The upload is held to almost nothing and so does not look able to fill a line; its cut was made just now."""
    made = line(stamps=False)
    state = idle(made)
    made.fifos["down"].queued_bits = made.fifos["down"].capacity_bps * 0.3
    known = CapacityEstimate(20 * M, 0.5, made.now_ns)
    held = Line("drain", known, known, 256_000, cut_ns=made.now_ns, cut_queue_ns=300 * MS)
    lines: dict[Direction, Line] = {
        way: replace(held, vain_cuts=2 if way == "down" else up_vain, looks=state.lines[way].looks)
        for way in DIRECTIONS
    }
    loads: dict[Direction, Load] = {
        "down": Load(made.bytes["down"] + 60_000, 9 * M),
        "up": Load(made.bytes["up"] + 1_000, 10_000),
    }
    samples = [made.echo(target) for target in made.targets for _ in range(2)]
    then: State = step(replace(state, lines=lines), made.now_ns + TICK_NS, samples, loads)
    assert (then.ignore_until_ns > 0) == (up_vain > 0)
