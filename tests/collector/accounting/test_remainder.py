from hypothesis import given
from hypothesis import strategies as st

from collector.accounting.remainder import Remainder, shares

S = 10**9


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), max_size=8))
def test_shares_add_up_and_follow_the_weights(whole: int, weights: list[int]) -> None:
    split = shares(whole, weights)
    assert sum(split) == (whole if sum(weights) else 0)
    for part, weight in zip(split, weights, strict=True):
        if sum(weights):
            assert abs(part - whole * weight / sum(weights)) <= 1 + whole * 1e-9


def test_what_nobody_is_named_for_is_reported_after_the_hold() -> None:
    rest = Remainder()
    assert rest.settle(1 * S, {"eth0": 1000}, 400) == {"eth0": 0}
    assert rest.held == 600
    assert rest.settle(2 * S, {"eth0": 0}, 0) == {"eth0": 600}
    assert rest.held == 0


def test_bytes_that_are_named_a_tick_late_are_not_reported() -> None:
    rest = Remainder()
    rest.settle(1 * S, {"eth0": 1000}, 0)
    assert rest.settle(2 * S, {"eth0": 500}, 1500) == {"eth0": 0}
    assert rest.held == 0


def test_the_last_tick_reports_everything() -> None:
    rest = Remainder()
    rest.settle(1 * S, {"eth0": 1000}, 0)
    assert rest.settle(int(1.2 * S), {"eth0": 10}, 0, last=True) == {"eth0": 1010}


def test_traffic_that_passes_no_counted_interface_hides_anothers_for_one_tick_only() -> None:
    rest = Remainder(hold_ns=0)
    assert rest.settle(1 * S, {"eth0": 100}, 5_000) == {"eth0": 0}
    assert rest.settle(2 * S, {"eth0": 100}, 0) == {"eth0": 0}  # may be the same bytes, read a tick apart
    assert rest.settle(3 * S, {"eth0": 100}, 0) == {"eth0": 100}


def test_bytes_of_an_interface_that_is_gone_are_kept() -> None:
    rest = Remainder()
    rest.settle(1 * S, {"tun0": 300}, 0)
    assert rest.settle(2 * S, {}, 0) == {}
    assert rest.settle(3 * S, {"eth0": 0}, 0) == {"eth0": 300}


ticks = st.lists(
    st.tuples(st.integers(1, 3 * S), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 2 * 10**6)),
    min_size=1,
    max_size=40,
)


@given(ticks)
def test_no_more_is_ever_reported_than_the_interfaces_counted_and_nothing_negative(
    run: list[tuple[int, int, int, int]],
) -> None:
    rest, now_ns, counted, reported = Remainder(), 0, 0, 0
    for number, (step_ns, eth, wifi, attributed) in enumerate(run):
        now_ns += step_ns
        out = rest.settle(now_ns, {"eth0": eth, "wlan0": wifi}, attributed, last=number == len(run) - 1)
        counted += eth + wifi
        reported += sum(out.values())
        assert min(out.values()) >= 0
        assert reported + rest.held <= counted
    assert rest.held == 0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans()), min_size=1, max_size=40))
def test_applications_and_remainder_add_up_to_the_interfaces_when_naming_lags_a_tick(
    run: list[tuple[int, int, bool]],
) -> None:
    """Every tick some bytes belong to an application, some to nobody; the former are named now or a tick later."""
    rest = Remainder()
    counted = attributed = reported = late = 0
    for number, (named, unnamed, lags) in enumerate([*run, (0, 0, False)]):
        now_attributed = late + (0 if lags else named)
        late = named if lags else 0
        counted += named + unnamed
        attributed += now_attributed
        out = rest.settle(number * S, {"eth0": named + unnamed}, now_attributed, last=number == len(run))
        reported += out["eth0"]
    assert attributed + reported == counted


def test_bytes_that_are_named_late_are_waited_for_as_long_as_the_backend_needs() -> None:
    """An upload is reported when it is complete: its bytes come a second or two after the interface counted them."""
    remainder = Remainder()
    assert remainder.settle(1 * S, {"eth0": 1000}, 0, late_ns=3 * S) == {"eth0": 0}
    assert remainder.settle(2 * S, {"eth0": 0}, 0, late_ns=3 * S) == {"eth0": 0}
    assert remainder.settle(3 * S, {"eth0": 0}, 900, late_ns=3 * S) == {"eth0": 0}
    assert remainder.settle(4 * S, {"eth0": 0}, 0, late_ns=3 * S) == {"eth0": 100}
