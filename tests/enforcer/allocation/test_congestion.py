"""The control loop against a simulated line: a bottleneck whose queue the loop can only see as latency."""

import itertools
import random

from enforcer.allocation.congestion import MIN_BUDGET_BPS, THRESHOLD_NS, Echo, Load, State, step

MS = 10**6
S = 10**9
BASE = {"a": 12 * MS, "b": 20 * MS, "c": 31 * MS}


class Line:
    """A link with a FIFO of at most half a second; bulk sends as much as its budget (or 30 Mbit/s) allows."""

    def __init__(self, capacity_bps: int, seed: int = 1) -> None:
        self.capacity_bps, self.queue_bits, self.random = capacity_bps, 0.0, random.Random(seed)

    def pass_time(self, offered_bps: int, span_ns: int) -> int:
        served = min(self.capacity_bps * span_ns / S, self.queue_bits + offered_bps * span_ns / S)
        self.queue_bits += offered_bps * span_ns / S - served
        self.queue_bits = min(self.queue_bits, self.capacity_bps * 0.5)
        return int(served * S / span_ns)

    def echo(self, now_ns: int, target: str) -> Echo:
        delay = int(self.queue_bits * S / self.capacity_bps)
        return Echo(target, now_ns, BASE[target] + delay + self.random.randrange(2 * MS))


def simulate(
    line: Line, seconds: int, state: State, *, start: int = 0, want_bps: int = 30_000_000
) -> tuple[State, list[int], list[int]]:
    """Returns the state, the queue delays (ms) seen every 100 ms, and the rates served."""
    delays, rates = [], []
    for tick in range(seconds * 10):
        now = start + (tick + 1) * 100 * MS
        budget = state.budgets.get("down")
        served = line.pass_time(want_bps if budget is None else min(want_bps, budget.bps), 100 * MS)
        echoes = [line.echo(now, target) for target in BASE]
        state = step(
            state, now, echoes, {"down": Load(served, served > MIN_BUDGET_BPS), "up": Load(served // 50, False)}
        )
        delays.append(int(line.queue_bits * 1000 / line.capacity_bps))
        rates.append(served)
    return state, delays, rates


def learn() -> State:
    """A state that has seen the idle line for five seconds."""
    state, _, _ = simulate(Line(20_000_000), 5, State(), want_bps=1_000)
    assert not state.budgets
    return state


def test_bulk_is_held_below_the_line_and_the_queue_stays_short() -> None:
    state, delays, rates = simulate(Line(20_000_000), 30, learn(), start=5 * S)
    assert "down" in state.budgets
    assert "up" not in state.budgets, "acknowledgements are no load of their own"
    late = sorted(delays[50:])
    assert late[len(late) // 2] <= 5
    assert late[len(late) * 95 // 100] <= 60
    assert sum(rates[50:]) / len(rates[50:]) >= 0.85 * 20_000_000


def test_a_line_that_shrinks_is_followed_down_and_up_again() -> None:
    line = Line(20_000_000)
    state, _, _ = simulate(line, 15, learn(), start=5 * S)
    line.capacity_bps = 8_000_000
    state, delays, rates = simulate(line, 20, state, start=20 * S)
    assert sorted(delays[30:])[len(delays[30:]) // 2] <= 5
    assert sum(rates[50:]) / len(rates[50:]) >= 0.8 * 8_000_000
    line.capacity_bps = 20_000_000
    state, _, rates = simulate(line, 40, state, start=40 * S)
    assert max(rates[-50:]) >= 0.85 * 20_000_000


def test_one_slow_reflector_is_outvoted() -> None:
    state = State()
    for tick in range(100):
        now = (tick + 1) * 100 * MS
        slow = BASE["c"] + (200 * MS if tick > 50 else 0)
        echoes = [Echo("a", now, BASE["a"]), Echo("b", now, BASE["b"]), Echo("c", now, slow)]
        state = step(state, now, echoes, {"down": Load(20_000_000, True)})
    assert not state.budgets


def test_reflectors_that_never_answered_have_no_say_and_those_that_fell_silent_do() -> None:
    never = State()
    for tick in range(50):
        now = (tick + 1) * 100 * MS
        never = step(never, now, [Echo("a", now, None), Echo("b", now, None)], {"down": Load(10**7, True)})
    assert not never.budgets
    state = learn()
    for tick in range(10):
        now = 5 * S + (tick + 1) * 100 * MS
        state = step(state, now, [Echo(target, now, None) for target in BASE], {"down": Load(10**7, True)})
    assert "down" in state.budgets


def test_nothing_is_held_back_when_nothing_shapeable_is_busy() -> None:
    state = learn()
    for tick in range(10):
        now = 5 * S + (tick + 1) * 100 * MS
        late = [Echo(target, now, base + 2 * THRESHOLD_NS) for target, base in BASE.items()]
        state = step(state, now, late, {"down": Load(10**5, False)})
    assert state.congested
    assert not state.budgets
    assert state.reason == "congested, but nothing shapeable is busy"


def test_cuts_keep_a_refractory_distance_and_never_go_below_the_least() -> None:
    state, cuts, last = learn(), [], None
    for tick in range(200):
        now = 5 * S + (tick + 1) * 50 * MS
        late = [Echo(target, now, base + 100 * MS) for target, base in BASE.items()]
        state = step(state, now, late, {"down": Load(5_000_000 if last is None else last, True)})
        budget = state.budgets.get("down")
        if budget is not None and budget.bps != last:
            cuts.append(now)
            last = budget.bps
    assert all(b - a >= 300 * MS for a, b in itertools.pairwise(cuts))
    assert last == MIN_BUDGET_BPS


def test_a_budget_that_is_not_used_is_let_go() -> None:
    state, _, _ = simulate(Line(20_000_000), 10, learn(), start=5 * S)
    assert state.budgets
    state, _, _ = simulate(Line(20_000_000), 12, state, start=15 * S, want_bps=100_000)
    assert not state.budgets
