"""The control loop: latency above its baseline means that the line's queue grows, so bulk must send less.

A pure function of (state, now, samples, loads). It decides one budget per direction for all shapeable applications
together; who gets how much of it is ``allocate``'s business. It knows nothing of probes, packets or configuration.

* Baseline: each reflector's least round trip over a sliding window of two minutes.
* Congested: most reflectors that answer have 3 of their last 6 echoes more than 15 ms above their baseline. A lost echo
  counts as late where the reflector answered before.
* Shrink: every busy direction to 85 % of what it achieved, to half while the queue is long; at most every 300 ms (the
  effect needs a round trip), and not while the delay falls: then the queue is draining already.
* Once calm after that, 90 % of the rate at which it was too much.
* Grow: while calm and the budget is used, 5 % every half second, 1 % near the rate at which it was last too much.
* Let go: after ten calm seconds with half of the budget unused.

Sources: cake-autorate (reflectors, delay above baseline, bufferbloat refractory period) and RFC 8289's notion of a
standing queue; ideas only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from qos.contract.direction import DIRECTIONS, Direction

_MS: Final = 10**6
_S: Final = 10**9
THRESHOLD_NS: Final = 15 * _MS
WINDOW_NS: Final = 120 * _S
_BUCKET_NS: Final = 10 * _S
_RECENT: Final = 6
_LATE_OF_RECENT: Final = 3
_FRESH_NS: Final = 2 * _S
_REFRACTORY_NS: Final = 300 * _MS
_CALM_NS: Final = 500 * _MS
_LET_GO_NS: Final = 10 * _S
_SHRINK_PERCENT: Final = 85
_DRAIN_PERCENT: Final = 50
_RESUME_PERCENT: Final = 90
LONG_NS: Final = 60 * _MS
_FALLING_NS: Final = 3 * _MS
MIN_BUDGET_BPS: Final = 256_000


@dataclass(frozen=True, slots=True)
class Echo:
    """One answer of one reflector; ``rtt_ns`` None: none came."""

    target: str
    time_ns: int
    rtt_ns: int | None


@dataclass(frozen=True, slots=True)
class Load:
    """What the shapeable applications moved lately in one direction, and whether they want more."""

    achieved_bps: int
    busy: bool


@dataclass(frozen=True, slots=True)
class Reflector:
    """What is remembered of one target: minima per ten seconds, and its last echoes."""

    minima: tuple[tuple[int, int], ...] = ()
    recent: tuple[Echo, ...] = ()

    def with_echo(self, echo: Echo) -> "Reflector":
        """The memory with one more echo."""
        minima = tuple((start, low) for start, low in self.minima if echo.time_ns - start < WINDOW_NS)
        if echo.rtt_ns is not None:
            start = echo.time_ns - echo.time_ns % _BUCKET_NS
            if minima and minima[-1][0] == start:
                minima = (*minima[:-1], (start, min(minima[-1][1], echo.rtt_ns)))
            else:
                minima = (*minima, (start, echo.rtt_ns))
        return Reflector(minima, (*self.recent, echo)[-_RECENT:])

    @property
    def baseline_ns(self) -> int | None:
        """The least round trip in the window; None before any answer."""
        return min((low for _, low in self.minima), default=None)

    def late(self, now_ns: int) -> int | None:
        """How many of the fresh echoes came late or never; None when there are too few to say."""
        fresh = [echo for echo in self.recent if now_ns - echo.time_ns <= _FRESH_NS]
        base = self.baseline_ns
        if base is None or len(fresh) < _LATE_OF_RECENT:
            return None
        return sum(1 for echo in fresh if echo.rtt_ns is None or echo.rtt_ns > base + THRESHOLD_NS)

    def delay_ns(self, now_ns: int) -> int | None:
        """How far the last fresh answer was above the baseline."""
        base = self.baseline_ns
        last = next(
            (e for e in reversed(self.recent) if e.rtt_ns is not None and now_ns - e.time_ns <= _FRESH_NS), None
        )
        return None if base is None or last is None or last.rtt_ns is None else last.rtt_ns - base

    def calm(self, now_ns: int) -> bool:
        """Whether the last three fresh echoes are all near the baseline."""
        fresh = [echo for echo in self.recent if now_ns - echo.time_ns <= _FRESH_NS][-3:]
        base = self.baseline_ns
        if base is None or len(fresh) < 3:
            return False
        return all(echo.rtt_ns is not None and echo.rtt_ns <= base + THRESHOLD_NS // 2 for echo in fresh)


@dataclass(frozen=True, slots=True)
class Budget:
    """One direction's budget. ``too_much_bps`` is the rate at which the queue last grew."""

    bps: int
    too_much_bps: int
    changed_ns: int
    draining: bool = False
    unused_since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the loop remembers. ``budgets`` has only directions that are held back."""

    reflectors: Mapping[str, Reflector] = field(default_factory=dict)
    budgets: Mapping[Direction, Budget] = field(default_factory=dict)
    looked_ns: int = -_S
    """When the last cut was made, or the delay was last seen to fall."""
    looked_delay_ns: int = 0
    congested: bool = False
    reason: str = "no samples yet"


def step(state: State, now_ns: int, echoes: Sequence[Echo], loads: Mapping[Direction, Load]) -> State:
    """The next state. ``echoes`` are those since the last step; ``loads`` what was achieved meanwhile."""
    reflectors = dict(state.reflectors)
    for echo in echoes:
        reflectors[echo.target] = reflectors.get(echo.target, Reflector()).with_echo(echo)
    votes = [late >= _LATE_OF_RECENT for r in reflectors.values() if (late := r.late(now_ns)) is not None]
    congested = bool(votes) and 2 * sum(votes) > len(votes)
    calm = bool(votes) and 2 * sum(r.calm(now_ns) for r in reflectors.values()) > len(votes)
    state = replace(state, reflectors=reflectors, congested=congested)
    if congested:
        if now_ns - state.looked_ns < _REFRACTORY_NS:
            return replace(state, reason="congested: waiting for the last cut to show")
        delays = sorted(delay for r in reflectors.values() if (delay := r.delay_ns(now_ns)) is not None)
        delay = delays[len(delays) // 2] if delays else LONG_NS
        if state.budgets and delay < state.looked_delay_ns - max(_FALLING_NS, state.looked_delay_ns // 20):
            return replace(state, looked_ns=now_ns, looked_delay_ns=delay, reason="congested: the queue is draining")
        return _shrink(state, now_ns, loads, delay)
    return _ease(state, now_ns, loads, calm=calm)


def _shrink(state: State, now_ns: int, loads: Mapping[Direction, Load], delay_ns: int) -> State:
    percent = _DRAIN_PERCENT if delay_ns >= LONG_NS else _SHRINK_PERCENT
    most = max((load.achieved_bps for load in loads.values()), default=0)
    budgets = dict(state.budgets)
    said = []
    for direction in DIRECTIONS:
        load = loads.get(direction)
        # The acknowledgements of the other direction's bulk are no load of their own.
        if load is None or not load.busy or load.achieved_bps * 20 < most:
            continue
        base = load.achieved_bps if direction not in budgets else min(load.achieved_bps, budgets[direction].bps)
        bps = max(MIN_BUDGET_BPS, base * percent // 100)
        budgets[direction] = Budget(bps, max(base, MIN_BUDGET_BPS), now_ns, draining=True)
        said.append(f"{direction} to {bps} bit/s")
    if not said:
        return replace(state, reason="congested, but nothing shapeable is busy")
    reason = f"congested: shrank {' and '.join(said)}"
    return replace(state, budgets=budgets, looked_ns=now_ns, looked_delay_ns=delay_ns, reason=reason)


def _ease(state: State, now_ns: int, loads: Mapping[Direction, Load], *, calm: bool) -> State:
    budgets = dict(state.budgets)
    said = []
    for direction, held in state.budgets.items():
        load = loads.get(direction, Load(0, busy=False))
        used = 2 * load.achieved_bps >= held.bps
        since = None if used else (now_ns if held.unused_since_ns is None else held.unused_since_ns)
        budget = budgets[direction] = replace(held, unused_since_ns=since)
        if budget.unused_since_ns is not None and now_ns - budget.unused_since_ns >= _LET_GO_NS:
            del budgets[direction]
            said.append(f"let {direction} go: half of its budget was unused")
        elif calm and budget.draining:
            bps = max(budget.bps, budget.too_much_bps * _RESUME_PERCENT // 100)
            budgets[direction] = replace(budget, bps=bps, changed_ns=now_ns, draining=False)
            said.append(f"{direction} resumes at {bps} bit/s")
        elif calm and load.achieved_bps * 10 >= budget.bps * 8 and now_ns - budget.changed_ns >= _CALM_NS:
            near = budget.too_much_bps * 90 <= budget.bps * 100 <= budget.too_much_bps * 110
            bps = budget.bps + max(1_000, budget.bps * (1 if near else 5) // 100)
            budgets[direction] = replace(budget, bps=bps, changed_ns=now_ns)
            said.append(f"{direction} up to {bps} bit/s")
    reason = f"calm: {', '.join(said)}" if said else ("calm" if calm else "not congested")
    return replace(state, budgets=budgets, reason=reason)
