"""The control loop: how much may everybody together send and receive, so that no queue stands on the line.

A pure function of (state, now, samples, loads). Per direction it is in one of three phases:

* ``free``: nothing is known about the line and nothing was seen: no budget.
* ``hold``: the capacity is known (learned, or set); the budget is a little below it and looks for more (``growth``).
* ``drain``: a queue stands: the capacity is what passes now (``capacity``); the budget is far below until it is gone.

A direction is only cut when echoes say that a queue stands (``delay_detector``), when it is that direction's
(``attribution``), and when elastic applications use it. Two cuts that shorten nothing mean that somebody else fills the
line: then the share is given back and latency is not acted upon for a while. When no target answers any more, nothing
can be concluded: what was learned is let go. It knows nothing of probes, packets, applications or configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from enforcer.allocation.attribution import MIN_ELASTIC_BPS, Use, able, guilty
from enforcer.allocation.capacity import (
    Passed,
    carried_bps,
    earlier_bps,
    rate_bps,
    with_look,
)
from enforcer.allocation.delay_detector import EchoSample, Reflector, judge
from enforcer.allocation.growth import PROBE_NS
from enforcer.allocation.line_state import GIVE_BACK_NS, Line, Load, State, known_bps, queue_ns
from enforcer.allocation.phases import SPAN_NS, hold, turn
from qos.contract.direction import DIRECTIONS, Direction

_MS: Final = 10**6
_S: Final = 10**9
BEFORE_NS: Final = _S
"""What passed before so long ago is compared with what passes now, to see whose use grew."""
GONE_NS: Final = 2 * _S
"""Without a queue for so long, whoever filled the line is gone."""
SETTLED_NS: Final = 3 * _S
"""So long after the share was given back, the applications have taken it."""
BESIDE_NS: Final = 8 * _S
"""Time constant of what passes for us beside somebody else."""
MORE_PERCENT: Final = 160
BLIND_NS: Final = 5 * _S
"""Without any vote for so long, what was learned is let go."""
SUSPENDED_NS: Final = 2 * _S
"""A longer pause between two steps means that the machine slept: no sample from before counts."""
HELPLESS_CUTS: Final = 2
GIVE_BACK_MOST_NS: Final = 80 * _S
"""Latency is not acted upon for so long at most after vain cuts."""
CALM_NS: Final = 60 * _S
"""An episode of vain cuts is over when none came for so long."""
QUIET_BPS: Final = 1_000_000
"""Where the capacity is not known, a line on which less passes counts as idle; else one fifth of it."""
MOST_STEP_NS: Final = 250 * _MS


def step(
    state: State,
    now_ns: int,
    samples: Sequence[EchoSample],
    loads: Mapping[Direction, Load],
    *,
    links: Mapping[Direction, int] | None = None,
    near: frozenset[str] = frozenset(),
    in_force: bool = True,
) -> State:
    """The next state. ``links``: settings that a person made, bits per second; ``near``: targets before the line.

    ``in_force``: the budgets of the last step hold; else (packets cannot be held yet, or were let go) no cut is vain.
    """
    if state.now_ns is not None and now_ns - state.now_ns > SUSPENDED_NS:
        state = _awakened(state)
    links = links or {}
    # What is held down to almost nothing, or stands beside somebody else's queue, is no idle line.
    idle = now_ns >= state.ignore_until_ns and all(
        state.lines[way].phase != "drain" and _idle(state.lines[way], now_ns, load, links.get(way))
        for way, load in loads.items()
    )
    reflectors = dict(state.reflectors)
    for sample in samples:
        reflectors[sample.target] = reflectors.get(sample.target, Reflector()).with_sample(sample, idle=idle)
    delay = judge(now_ns, reflectors, near)
    heard_ns = now_ns if delay.voters else state.heard_ns
    since_ns = 0 if state.now_ns is None else min(MOST_STEP_NS, now_ns - state.now_ns)
    state = replace(state, reflectors=reflectors, delay=delay, now_ns=now_ns, heard_ns=heard_ns, notes=())
    lines: dict[Direction, Line] = {}
    for direction in DIRECTIONS:
        look = Passed(now_ns, loads[direction].total_bytes, queue_ns(delay, direction))
        lines[direction] = replace(state.lines[direction], looks=with_look(state.lines[direction].looks, look))
    if heard_ns is None or now_ns - heard_ns > BLIND_NS:
        return _blind(replace(state, lines=lines), links)
    uses = {
        direction: Use(
            rate_bps(lines[direction].looks, SPAN_NS),
            loads[direction].elastic_bps,
            known_bps(lines[direction], links.get(direction)),
            earlier_bps(lines[direction].looks, BEFORE_NS),
        )
        for direction in DIRECTIONS
    }
    if now_ns < state.ignore_until_ns:
        long_uses = {way: replace(use, total_bps=rate_bps(lines[way].looks, _S)) for way, use in uses.items()}
        state = _beside(state, now_ns, since_ns, long_uses)
    vain = frozenset(way for way in DIRECTIONS if lines[way].phase == "drain" and lines[way].vain_cuts > 0)
    draining = frozenset(way for way in DIRECTIONS if lines[way].phase == "drain" and way not in vain)
    probers = frozenset(way for way in DIRECTIONS if lines[way].phase == "hold" and lines[way].grown_ns > PROBE_NS)
    found = (
        guilty(delay, uses, vain, draining or probers)
        if delay.rising and now_ns >= state.ignore_until_ns
        else frozenset()
    )
    # The end of a probe is a beginning queue, so little is enough; anywhere else it must stand.
    cut = frozenset(way for way in found if delay.congested or lines[way].grown_ns > PROBE_NS)
    # Just woken, or just begun: nothing is known yet of what the line carries.
    cut = frozenset(way for way in cut if carried_bps(lines[way].looks, SPAN_NS, way) > 0)
    probing = frozenset(way for way in DIRECTIONS if lines[way].grown_ns > PROBE_NS or lines[way].phase == "drain")
    notes: list[str] = []
    for direction in DIRECTIONS:
        if direction not in probing:  # both at the same moment: one waits
            probing |= {way for way in DIRECTIONS if lines[way].grown_ns > PROBE_NS}
        lines[direction] = turn(
            lines[direction],
            now_ns,
            since_ns,
            direction,
            loads[direction],
            delay,
            links.get(direction),
            cut=direction in cut,
            may_probe=not probing - {direction} and not delay.rising,
            in_force=in_force,
            relieved=bool(draining - {direction}),
            notes=notes,
        )
    state = replace(state, lines=lines, notes=tuple(notes))
    most = 1 if state.ignore_for_ns > GIVE_BACK_NS else HELPLESS_CUTS
    # Who is held to almost nothing does not look able any more, but its cut has not been vain yet.
    meant = able(delay, uses) | {way for way in DIRECTIONS if lines[way].phase == "drain"}
    if any(line.vain_cuts >= most for line in lines.values()) and all(
        lines[way].phase == "drain" and lines[way].vain_cuts > 0 for way in meant
    ):
        return _give_back(state, now_ns, links)
    if now_ns >= state.ignore_until_ns + CALM_NS and all(line.vain_cuts == 0 for line in lines.values()):
        state = replace(state, ignore_for_ns=GIVE_BACK_NS)
    return state


def _beside(state: State, now_ns: int, since_ns: int, uses: Mapping[Direction, Use]) -> State:
    """Latency is not acted upon, because somebody else fills the line: see whether they are gone.

    They are when no queue stands, when we fill the line ourselves, or when far more passes for us than beside them.
    """
    clear = [line.clear_since_ns for line in state.lines.values()]
    gone = any(then is not None and now_ns - then >= GONE_NS for then in clear)
    beside: dict[Direction, int] = {}
    if now_ns - state.gave_back_ns >= SETTLED_NS:
        for way, use in uses.items():
            before = state.beside_bps.get(way, use.total_bps)
            beside[way] = before + (use.total_bps - before) * since_ns // BESIDE_NS
            gone |= use.elastic_bps >= MIN_ELASTIC_BPS and (
                use.total_bps * 100 > before * MORE_PERCENT
                if use.capacity_bps is None
                else use.total_bps * 10 >= use.capacity_bps * 9
            )
    return replace(state, beside_bps=beside, ignore_until_ns=now_ns if gone else state.ignore_until_ns)


def _give_back(state: State, now_ns: int, links: Mapping[Direction, int]) -> State:
    """Cutting shortened nothing: the queue is somebody else's."""
    lines: dict[Direction, Line] = {}
    for direction, line in state.lines.items():
        if line.phase != "drain":
            lines[direction] = line
            continue
        back = replace(line, phase="free", capacity=line.trusted, vain_cuts=0, grown_ns=PROBE_NS)
        back = replace(back, budget_bps=None, doubted_bps=None)
        known = known_bps(back, links.get(direction))
        lines[direction] = back if known is None else hold(back, links.get(direction))
    note = "somebody else fills the line: holding our applications shortens nothing, so their share is given back"
    first = state.ignore_for_ns == GIVE_BACK_NS
    return replace(
        state,
        lines=lines,
        gave_back_ns=now_ns,
        beside_bps={},
        ignore_until_ns=now_ns + state.ignore_for_ns,
        ignore_for_ns=min(GIVE_BACK_MOST_NS, 2 * state.ignore_for_ns),
        notes=(*state.notes, note) if first else state.notes,
    )


def _blind(state: State, links: Mapping[Direction, int]) -> State:
    """Nobody answers: without evidence only what a person set is in force."""
    lines = {
        direction: replace(
            line,
            phase="free" if links.get(direction) is None else "hold",
            budget_bps=links.get(direction),
            grown_ns=0,
        )
        for direction, line in state.lines.items()
    }
    lost = state.heard_ns is not None and any(
        state.lines[direction].budget_bps != line.budget_bps for direction, line in lines.items()
    )
    notes = ("no target answers any more: what was learned of the line is let go",) if lost else ()
    return replace(state, lines=lines, notes=notes)


def _awakened(state: State) -> State:
    """After sleep: capacities and baselines stay, what was under way does not."""
    reflectors = {name: replace(r, recent=(), answers=()) for name, r in state.reflectors.items()}
    lines = {direction: replace(line, looks=(), clear_since_ns=None) for direction, line in state.lines.items()}
    return replace(state, reflectors=reflectors, lines=lines, heard_ns=None)


def _idle(line: Line, now_ns: int, load: Load, link_bps: int | None) -> bool:
    """Whether so little passes that no queue can stand: since the last look, and in the last 0.3 s."""
    latest = 0
    if line.looks and line.looks[-1].time_ns < now_ns:
        last = line.looks[-1]
        latest = (load.total_bytes - last.bytes) * 8 * _S // (now_ns - last.time_ns)
    known = known_bps(line, link_bps)
    quiet = QUIET_BPS if known is None else known // 5
    return load.elastic_bps < MIN_ELASTIC_BPS and max(latest, rate_bps(line.looks, SPAN_NS)) < quiet
