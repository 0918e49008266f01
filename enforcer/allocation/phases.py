"""One direction's next phase: free, hold or drain, and what it says of the capacity. ``congestion`` decides for both.

``free``: no budget; ``hold``: a budget a little below the known capacity that looks for more (``growth``); ``drain``: a
budget far below it until the queue is gone. A cut under which an upload's queue goes on growing let more pass than the
line carries: the capacity is corrected. A cut after which nothing shrank in good time was vain; how long that is
depends on what those move who are not held.
"""

from dataclasses import replace
from typing import Final

from enforcer.allocation.capacity import (
    CapacityEstimate,
    carried_bps,
    drained_bps,
    learn,
    rate_bps,
    sent_through_bps,
    standing_ns,
)
from enforcer.allocation.delay_detector import Delay
from enforcer.allocation.growth import PROBE_NS, drain_ns, drain_ratio, rebased_ns, used_ratio
from enforcer.allocation.line_state import Line, Load, known_bps, queue_ns
from qos.contract.direction import Direction
from qos.contract.units import format_bps

_MS: Final = 10**6
_S: Final = 10**9
MIN_BUDGET_BPS: Final = 256_000
SPAN_NS: Final = 300 * _MS
"""What passes is measured over so long."""
SURE_NS: Final = 250 * _MS
"""A queue must have stood for so long before the line is thought to carry less."""
AGAIN_NS: Final = 800 * _MS
"""A queue that is back so soon after a cut is no moment's burst."""
STEADY_NS: Final = 500 * _MS
MOST_PROBE_NS: Final = 4 * _S
YIELD_NS: Final = 600 * _MS
"""How long one direction looks for more at most, and how long it then lets the other go first."""
CERTAIN_NS: Final = 200 * _MS
"""A queue that stood for so long tells the capacity well enough to raise it."""
NEWS_PERCENT: Final = 25
"""A capacity that changed by more is worth an event."""
PATIENCE_NS: Final = 4 * _S
"""A cut after which nothing shrank for so long is vain, whatever is used beside it."""
ECHO_NS: Final = 100 * _MS
"""A target is asked so often; of its last two answers the lesser one counts."""
GROWN_NS: Final = 20 * _MS
EMPTY_NS: Final = 3 * _MS
"""A direction's own queue of less is none."""


def turn(  # noqa: PLR0917  # values in, a value out
    line: Line,
    now_ns: int,
    since_ns: int,
    direction: Direction,
    load: Load,
    delay: Delay,
    link_bps: int | None,
    *,
    cut: bool,
    may_probe: bool,
    in_force: bool,
    relieved: bool,
    notes: list[str],
) -> Line:
    """One direction's next phase."""
    clear_since = None if not delay.clear else (now_ns if line.clear_since_ns is None else line.clear_since_ns)
    line = replace(line, clear_since_ns=clear_since)
    if line.phase == "drain":
        return _drain(line, now_ns, direction, load, delay, link_bps, in_force=in_force, relieved=relieved)
    if cut:
        made = _cut(
            replace(line, trusted=line.capacity, vain_cuts=0, doubted_bps=None), now_ns, direction, delay, link_bps
        )
        told, now_bps = line.told_bps, known_bps(made, None) or 0
        if told is None or abs(now_bps - told) * 100 > told * NEWS_PERCENT:
            made = replace(made, told_bps=now_bps)
            notes.append(
                f"{direction}: a queue of {queue_ns(delay, direction) // _MS} ms stood: "
                f"the line carries {format_bps(now_bps)}, elastic applications are held below"
            )
        return made
    if line.capacity is None and link_bps is None:
        return replace(line, phase="free", budget_bps=None)
    line = _found_more(line, now_ns)
    grown = line.grown_ns
    if load.wants_more and not delay.congested:
        # One direction looks for more at a time: two short queues together are a long one.
        grown = grown + since_ns if may_probe or grown > PROBE_NS else min(PROBE_NS, grown + since_ns)
    since = None if grown <= PROBE_NS else (now_ns if line.probing_since_ns is None else line.probing_since_ns)
    if since is not None and now_ns - since > MOST_PROBE_NS:  # somebody who wants a little more holds nobody else up
        grown, since = PROBE_NS - YIELD_NS, None
    line = replace(line, probing_since_ns=since)
    return hold(replace(line, grown_ns=grown), link_bps)


def hold(line: Line, link_bps: int | None) -> Line:
    known = line.capacity
    if known is None:
        assert link_bps is not None
        return replace(line, phase="hold", budget_bps=link_bps)
    budget = max(MIN_BUDGET_BPS, int(known.bps * used_ratio(line.grown_ns)))
    return replace(line, phase="hold", budget_bps=budget if link_bps is None else min(budget, link_bps))


def _found_more(line: Line, now_ns: int) -> Line:
    """Half a second of more than the capacity without a queue: the line carries more than was known."""
    known = line.capacity
    if known is None or line.clear_since_ns is None or now_ns - line.clear_since_ns < STEADY_NS:
        return line
    bps = rate_bps(line.looks, STEADY_NS)
    if bps * 100 <= known.bps * 105:
        return line
    grown_ns = rebased_ns(line.grown_ns, bps / known.bps)
    return replace(line, capacity=CapacityEstimate(bps, 0.3, now_ns), grown_ns=grown_ns)


def _cut(line: Line, now_ns: int, direction: Direction, delay: Delay, link_bps: int | None) -> Line:
    long_ns = queue_ns(delay, direction)
    bps = max(MIN_BUDGET_BPS, carried_bps(line.looks, SPAN_NS, direction))
    before_bps = known_bps(line, link_bps)
    again = line.cut_ns > 0 and line.grown_ns < AGAIN_NS
    if before_bps is not None and bps < before_bps and standing_ns(line.looks) < SURE_NS and not again:
        bps = before_bps  # a moment's burst of somebody who is not held: no reason to think less of the line
    known = learn(line.capacity, now_ns, bps)
    base = known.bps if link_bps is None else min(known.bps, link_bps)
    budget = max(MIN_BUDGET_BPS, int(base * drain_ratio(long_ns)))
    return replace(
        line, phase="drain", capacity=known, budget_bps=budget, cut_ns=now_ns, cut_queue_ns=long_ns, grown_ns=0
    )


def _drain(  # noqa: PLR0917  # values in, a value out
    line: Line,
    now_ns: int,
    direction: Direction,
    load: Load,
    delay: Delay,
    link_bps: int | None,
    *,
    in_force: bool,
    relieved: bool,
) -> Line:
    """``relieved``: the other direction is being drained, and not in vain."""
    long_ns = queue_ns(delay, direction)
    line = _mended(line, now_ns, direction)
    if not delay.rising or long_ns < EMPTY_NS:
        return hold(replace(_drained(line, now_ns, direction, relieved=relieved), vain_cuts=0, grown_ns=0), link_bps)
    if carried_bps(line.looks, SPAN_NS, direction) == 0:
        return line  # too early to say
    if now_ns - long_ns - delay.base_ns - ECHO_NS <= line.cut_ns and long_ns > line.cut_queue_ns:
        line = replace(line, cut_queue_ns=long_ns)  # the echo was sent before the cut: the queue was as long by then
    if in_force and (less := _less(line, now_ns, direction, long_ns, link_bps)) is not None:
        return less
    if not in_force or _still_passes(line):
        made = replace(_cut(line, now_ns, direction, delay, link_bps), vain_cuts=0)
        if in_force or line.capacity is None or made.capacity is None or made.capacity.bps >= line.capacity.bps:
            return made
        # Nobody is held yet: who sends less than a moment ago does so by itself, and the line carries what it carried.
        return replace(made, capacity=line.capacity)
    emptied_ns = drain_ns(line.cut_queue_ns, _free_ratio(line, load, direction, link_bps))
    early = _elsewhere(line, now_ns, direction, long_ns)
    if not early and now_ns - line.cut_ns < min(PATIENCE_NS, 2 * emptied_ns + 3 * SPAN_NS // 2):
        return line
    if long_ns * 10 <= line.cut_queue_ns * 7:
        return replace(line, cut_ns=now_ns, cut_queue_ns=long_ns)
    # Vain: what passes now is what we let pass, which says nothing of the line until a deeper cut drains the queue.
    whole_bps = known_bps(line, link_bps)
    assert whole_bps is not None, "a cut made it known"
    doubted = max(MIN_BUDGET_BPS, min(whole_bps, carried_bps(line.looks, SPAN_NS, direction)))
    budget = max(MIN_BUDGET_BPS, int(doubted * drain_ratio(long_ns)))
    vain = line.vain_cuts + 1
    return replace(line, budget_bps=budget, cut_ns=now_ns, cut_queue_ns=long_ns, vain_cuts=vain, doubted_bps=doubted)


def _elsewhere(line: Line, now_ns: int, direction: Direction, long_ns: int) -> bool:
    """Whether the queue grows on although what arrives is no more than the cut lets pass."""
    if direction != "down" or line.budget_bps is None or line.capacity is None:
        return False
    grows = long_ns * 10 >= line.cut_queue_ns * 13 and long_ns >= line.cut_queue_ns + GROWN_NS
    arrives_bps = rate_bps(line.looks, 200 * _MS)
    held = line.budget_bps * 8 <= arrives_bps * 10 <= line.budget_bps * 108 // 10
    return grows and held and now_ns - line.cut_ns >= 300 * _MS


def _drained(line: Line, now_ns: int, direction: Direction, *, relieved: bool) -> Line:
    """The queue is gone: what that says of the capacity."""
    if line.doubted_bps is not None:
        if relieved:  # it was the other direction's
            return replace(line, capacity=line.trusted or line.capacity, doubted_bps=None)
        return replace(line, capacity=CapacityEstimate(line.doubted_bps, 0.3, now_ns), doubted_bps=None)
    if line.capacity is None or direction == "down":
        return line
    bps = drained_bps([look for look in line.looks if look.time_ns >= line.cut_ns])
    if bps is None or bps * 100 >= line.capacity.bps * 80:
        return line
    return replace(line, capacity=CapacityEstimate(max(_least_bps(line), bps), 0.4, now_ns))


def _least_bps(line: Line) -> int:
    """What the line is thought to carry at least after one episode of cuts: half of what it was known to carry before.

    Echoes come late and tell of whose queue it is only together; a line that fell further is cut once more.
    """
    return MIN_BUDGET_BPS if line.trusted is None else max(MIN_BUDGET_BPS, line.trusted.bps // 2)


def _less(line: Line, now_ns: int, direction: Direction, long_ns: int, link_bps: int | None) -> Line | None:
    """A cut under which the upload's queue grew on, because the line carries less than what the cut let pass.

    A burst into an empty queue looks like capacity; once the queue has stood for a while, its growth tells better.
    """
    known, budget = line.capacity, line.budget_bps
    if direction != "up" or known is None or budget is None or line.doubted_bps is not None:
        return None
    through_bps = sent_through_bps(line.looks, SPAN_NS)
    longest_ns = max((look.queue_ns for look in line.looks if look.time_ns >= line.cut_ns), default=0)
    grows = long_ns * 10 >= line.cut_queue_ns * 13 and long_ns * 10 >= longest_ns * 9
    if through_bps is None or not grows:
        return None
    bps = max(_least_bps(line), through_bps, carried_bps(line.looks, SPAN_NS, direction))
    if bps >= budget or bps * 10 > known.bps * 9:
        return None
    base = bps if link_bps is None else min(bps, link_bps)
    lower = max(MIN_BUDGET_BPS, int(base * drain_ratio(long_ns)))
    estimate = CapacityEstimate(bps, known.confidence, now_ns)
    return replace(line, capacity=estimate, budget_bps=lower, cut_ns=now_ns, cut_queue_ns=long_ns)


def _free_ratio(line: Line, load: Load, direction: Direction, link_bps: int | None) -> float:
    """How much of the line is used by those whom no cut holds: a call of most of a small uplink lets a queue shrink
    slowly, which makes no cut vain."""
    whole_bps, used_bps = known_bps(line, link_bps) or 0, rate_bps(line.looks, SPAN_NS)
    held_bps = load.elastic_bps if direction == "down" else min(load.elastic_bps, line.budget_bps or 0)
    used_bps = max(0, used_bps - held_bps)
    if direction == "up" and (through_bps := sent_through_bps(line.looks, CERTAIN_NS)):
        whole_bps = min(whole_bps, through_bps)
    return used_bps / whole_bps if whole_bps else 0.0


def _still_passes(line: Line) -> bool:
    """A deep cut, long after which most of the line is ours all the same: it holds nobody yet, so it is not vain."""
    if line.capacity is None or line.budget_bps is None or line.budget_bps * 3 > line.capacity.bps:
        return False
    waited = line.looks[-1].time_ns - line.cut_ns if line.looks else 0
    deep = waited >= 2 * drain_ns(line.cut_queue_ns) + SPAN_NS
    return deep and rate_bps(line.looks, SPAN_NS) * 2 > line.capacity.bps


def _mended(line: Line, now_ns: int, direction: Direction) -> Line:
    """More passes than the capacity while the queue still stands: it was learned too low."""
    known, stood = line.capacity, standing_ns(line.looks)
    if known is None or stood < CERTAIN_NS or line.doubted_bps is not None:
        return line
    bps = carried_bps(line.looks, min(stood, SPAN_NS), direction)
    if bps * 100 <= known.bps * 105:
        return line
    return replace(line, capacity=CapacityEstimate(bps, known.confidence, now_ns))
