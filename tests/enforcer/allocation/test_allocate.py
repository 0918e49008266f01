"""Allocation: properties against its promises, an oracle that fills drop by drop, and the cases of the issue."""

from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.allocation.allocate import STARVATION_FLOOR_BPS, UNBOUNDED_BPS, Claim, Share, allocate, fill

M = 1_000_000
LEVELS = {0: Share(100), 1: Share(50), 2: Share(30), 3: Share(20), 4: Share(10), 5: Share(5)}


@settings(deadline=None)
@given(
    total=st.integers(0, 10**9),
    rows=st.lists(
        st.tuples(st.integers(1, 1000), st.integers(0, 10**8), st.integers(0, 10**8)), min_size=1, max_size=20
    ),
)
def test_filling_uses_exactly_what_there_is_within_floors_and_caps(
    total: int, rows: list[tuple[int, int, int]]
) -> None:
    weights, floors, caps = [w for w, _, _ in rows], [f for _, f, _ in rows], [f + more for _, f, more in rows]
    got = fill(total, weights, floors, caps)
    assert all(f <= x <= c for f, x, c in zip(floors, got, caps, strict=True))
    if sum(floors) <= total:
        assert sum(got) == min(total, sum(caps))


@settings(deadline=None, max_examples=50)
@given(
    total=st.integers(0, 300),
    rows=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 60)), min_size=1, max_size=5),
)
def test_filling_equals_an_oracle_that_hands_out_drop_by_drop(total: int, rows: list[tuple[int, int]]) -> None:
    weights, caps = [w for w, _ in rows], [c for _, c in rows]
    oracle, left = [0] * len(rows), total
    while left and any(x < c for x, c in zip(oracle, caps, strict=True)):
        poorest = min((i for i in range(len(rows)) if oracle[i] < caps[i]), key=lambda i: (oracle[i] + 1) / weights[i])
        oracle[poorest] += 1
        left -= 1
    got = fill(total, weights, [0] * len(rows), caps)
    assert all(abs(a - b) <= max(weights) for a, b in zip(got, oracle, strict=True))


claims = st.lists(
    st.builds(
        Claim,
        app=st.uuids().map(str),
        level=st.integers(0, 5),
        demand_bps=st.one_of(st.just(UNBOUNDED_BPS), st.integers(0, 50 * M)),
        floor_bps=st.integers(0, 2 * M),
        ceiling_bps=st.one_of(st.none(), st.integers(0, 30 * M)),
    ),
    max_size=12,
    unique_by=lambda claim: claim.app,
)
shares = st.fixed_dictionaries(
    {
        n: st.builds(
            Share,
            weight=st.integers(1, 1000),
            floor_bps=st.integers(0, 3 * M),
            ceiling_bps=st.one_of(st.none(), st.integers(0, 30 * M)),
        )
        for n in range(6)
    }
)


@settings(deadline=None, max_examples=300)
@given(
    capacity=st.one_of(st.none(), st.integers(0, 100 * M)),
    levels=shares,
    claims=claims,
    reserved=st.integers(0, 20 * M),
)
def test_the_promises_hold_for_any_claims(
    capacity: int | None, levels: dict[int, Share], claims: list[Claim], reserved: int
) -> None:
    rates = allocate(capacity, levels, claims, reserved_bps=reserved)
    assert set(rates) == {claim.app for claim in claims}
    held = [claim for claim in claims if claim.level != 0]
    for claim in claims:
        rate = rates[claim.app]
        if claim.level == 0:
            assert rate is None
            continue
        if capacity is None and claim.ceiling_bps is None and levels[claim.level].ceiling_bps is None:
            assert rate is None
            continue
        assert rate is not None
        assert rate >= STARVATION_FLOOR_BPS
        if claim.ceiling_bps is not None:
            assert rate <= max(STARVATION_FLOOR_BPS, claim.ceiling_bps)
    for number, share in levels.items():
        if share.ceiling_bps is not None and number:
            mine = [claim for claim in held if claim.level == number]
            assert sum(rates[c.app] or 0 for c in mine) <= max(share.ceiling_bps, sum(_least(c) for c in mine))
    if capacity is not None and held:
        got = sum(rates[claim.app] or 0 for claim in held)
        total = max(0, capacity - reserved)
        assert got <= max(total, STARVATION_FLOOR_BPS * len(held))
        hungry = [c for c in held if (rates[c.app] or 0) < min(c.demand_bps, _roof(c))]
        free = [c for c in hungry if levels[c.level].ceiling_bps is None]
        if free and total >= STARVATION_FLOOR_BPS * len(held):
            assert got == total, "idle capacity while somebody wants more"


def _least(claim: Claim) -> int:
    return max(STARVATION_FLOOR_BPS, claim.floor_bps)


def _roof(claim: Claim) -> int:
    return UNBOUNDED_BPS if claim.ceiling_bps is None else claim.ceiling_bps


def test_three_bulk_applications_on_levels_2_4_and_5_share_by_weight() -> None:
    rates = allocate(20 * M, LEVELS, [Claim("a", 2), Claim("b", 4), Claim("c", 5)])
    assert sum(rate or 0 for rate in rates.values()) == 20 * M
    assert all(abs((rates[app] or 0) - weight * 20 * M // 45) <= 2 for app, weight in (("a", 30), ("b", 10), ("c", 5)))


def test_what_one_does_not_want_is_borrowed_by_the_others_by_weight() -> None:
    rates = allocate(20 * M, LEVELS, [Claim("a", 2, demand_bps=2 * M), Claim("b", 4), Claim("c", 5)])
    assert rates["a"] == 2 * M
    assert rates["b"] == 12 * M
    assert rates["c"] == 6 * M


def test_without_any_unmet_demand_the_rest_is_headroom() -> None:
    rates = allocate(20 * M, LEVELS, [Claim("a", 2, demand_bps=M), Claim("b", 4, demand_bps=M)])
    assert sum(rate or 0 for rate in rates.values()) == 20 * M
    assert all((rate or 0) > M for rate in rates.values())


def test_a_floor_holds_against_heavier_weights() -> None:
    levels = LEVELS | {5: Share(5, floor_bps=5 * M)}
    rates = allocate(20 * M, levels, [Claim("a", 1), Claim("b", 5)])
    assert rates == {"a": 15 * M, "b": 5 * M}


def test_an_applications_floor_holds_within_its_level() -> None:
    rates = allocate(10 * M, LEVELS, [Claim("a", 3, floor_bps=6 * M), Claim("b", 3), Claim("c", 3)])
    assert rates == {"a": 6 * M, "b": 2 * M, "c": 2 * M}


def test_too_many_floors_shrink_together_but_nobody_starves() -> None:
    rates = allocate(M, LEVELS, [Claim(str(i), 3, floor_bps=M) for i in range(10)])
    assert set(rates.values()) == {100_000}
    crowd = allocate(M, LEVELS, [Claim(str(i), 3) for i in range(100)])
    assert set(crowd.values()) == {STARVATION_FLOOR_BPS}


def test_what_is_measured_elsewhere_is_subtracted() -> None:
    rates = allocate(20 * M, LEVELS, [Claim("zoom", 0), Claim("b", 5)], reserved_bps=8 * M)
    assert rates == {"zoom": None, "b": 12 * M}


def test_a_level_ceiling_without_a_link_is_shared_inside_the_level() -> None:
    levels = LEVELS | {5: Share(5, ceiling_bps=6 * M)}
    rates = allocate(None, levels, [Claim("a", 5), Claim("b", 5, demand_bps=M), Claim("c", 3)])
    assert rates == {"a": 5 * M, "b": M, "c": None}


def test_a_limit_below_64_kbit_is_raised_so_that_connections_survive() -> None:
    assert allocate(None, LEVELS, [Claim("a", 3, ceiling_bps=0)]) == {"a": STARVATION_FLOOR_BPS}


def test_nobody_to_share_with_is_no_error() -> None:
    assert allocate(20 * M, LEVELS, []) == {}
    assert allocate(0, LEVELS, [Claim("a", 3)]) == {"a": STARVATION_FLOOR_BPS}
