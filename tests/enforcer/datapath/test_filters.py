"""Which ports are in which filter, over time."""

import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.datapath.filters import (
    BUSY_NS,
    LINGER_NS,
    QUIET_PPS,
    SWAP_NS,
    WIDE_NS,
    Diversion,
    FilterTarget,
    Transport,
)

S = 10**9
WIDE = FilterTarget(wide=True)
Owners = dict[tuple[Transport, int], frozenset[str]]


def owned(app: str, ports: Iterable[int], protocol: Transport = "udp") -> Owners:
    return {(protocol, port): frozenset({app}) for port in ports}


BULK = frozenset({"bulk"})


def test_without_a_limit_there_is_no_handle() -> None:
    diversion = Diversion(240)
    assert diversion.update(0, frozenset(), owned("bulk", [1, 2])) == {}


def test_the_ports_of_limited_applications_and_no_others_are_named() -> None:
    diversion = Diversion(240)
    owners = owned("bulk", [5000, 5001]) | owned("call", [6000])
    assert diversion.update(0, BULK, owners)["udp"] == FilterTarget(frozenset({5000, 5001}))


def test_a_port_shared_with_somebody_unlimited_is_left_alone() -> None:
    diversion = Diversion(240)
    owners: Owners = {("udp", 5353): frozenset({"bulk", "call"}), ("udp", 9): BULK}
    assert diversion.update(0, BULK, owners)["udp"] == FilterTarget(frozenset({9}))


def test_swaps_are_coalesced_and_removals_are_lazy() -> None:
    diversion = Diversion(240)
    diversion.update(0, BULK, owned("bulk", [1]))
    assert "udp" not in diversion.update(SWAP_NS - 1, BULK, owned("bulk", [1, 2]))
    assert diversion.update(SWAP_NS, BULK, owned("bulk", [1, 2]))["udp"] == FilterTarget(frozenset({1, 2}))
    assert "udp" not in diversion.update(3 * SWAP_NS, BULK, owned("bulk", [2]))
    assert diversion.target("udp") == FilterTarget(frozenset({1, 2}))


def test_an_application_without_flows_loses_its_filter_after_a_while() -> None:
    diversion = Diversion(240)
    diversion.update(0, BULK, owned("bulk", [1]))
    assert "udp" not in diversion.update(S, BULK, {})
    assert diversion.update(S + LINGER_NS, BULK, {})["udp"] is None


def test_the_end_of_the_last_limit_closes_everything() -> None:
    diversion = Diversion(240)
    assert set(diversion.update(0, BULK, owned("bulk", [1]))) == {"tcp", "udp"}
    assert diversion.update(S, frozenset(), owned("bulk", [1])) == {"tcp": None, "udp": None}


def test_connection_after_connection_makes_the_protocol_wide_for_a_while() -> None:
    diversion = Diversion(240)
    diversion.update(0, BULK, owned("bulk", [1]))
    for i in range(1, 5):
        diversion.update(i * S // 5, BULK, owned("bulk", [i]))
    assert diversion.target("udp") == WIDE
    diversion.update(WIDE_NS // 2, BULK, owned("bulk", [4]))
    assert diversion.target("udp") == WIDE
    diversion.update(2 * WIDE_NS, BULK, owned("bulk", [4]))
    assert diversion.target("udp") == FilterTarget(frozenset({4}))


def test_flows_that_were_there_before_the_limit_are_no_churn() -> None:
    diversion = Diversion(240)
    assert diversion.update(0, BULK, owned("bulk", range(100, 130)))["udp"] == FilterTarget(frozenset(range(100, 130)))


def test_more_ports_than_fit_make_the_protocol_wide_unless_that_is_forbidden() -> None:
    diversion = Diversion(32)
    assert diversion.update(0, BULK, owned("bulk", range(1, 34)))["udp"] == WIDE
    diversion.forbid_wide(S, 10 * S)
    assert diversion.update(S, BULK, owned("bulk", range(1, 34)))["udp"] == FilterTarget(frozenset(range(1, 34)))


def test_tcp_waits_wide_for_new_connections_while_nobody_else_is_busy() -> None:
    diversion = Diversion(240)
    assert diversion.update(0, BULK, {})["tcp"] == WIDE
    assert diversion.update(S, BULK, owned("bulk", [7], "tcp"), QUIET_PPS) == {}
    narrow = diversion.update(S + 1, BULK, owned("bulk", [7], "tcp"), QUIET_PPS + 1)
    assert narrow["tcp"] == FilterTarget(frozenset({7}))
    assert "tcp" not in diversion.update(BUSY_NS, BULK, owned("bulk", [7], "tcp"))
    assert diversion.update(S + 2 + BUSY_NS, BULK, owned("bulk", [7], "tcp"))["tcp"] == WIDE


def test_others_who_stay_busy_are_left_alone_for_longer_each_time() -> None:
    diversion, now, waits = Diversion(240), 0, []
    for _ in range(4):
        diversion.update(now, BULK, {})
        assert diversion.target("tcp") == WIDE
        now += S
        diversion.update(now, BULK, {}, QUIET_PPS + 1)
        since = now
        while diversion.target("tcp") != WIDE:
            now += S
            diversion.update(now, BULK, {})
        waits.append(now - since)
    assert waits == sorted(waits)
    assert waits[-1] >= 4 * waits[0]


steps = st.lists(
    st.tuples(
        st.integers(0, 2 * S),
        st.frozensets(st.sampled_from(["a", "b", "c"])),
        st.dictionaries(
            st.tuples(st.sampled_from(["tcp", "udp"]), st.integers(1, 60)),
            st.frozensets(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2),
            max_size=50,
        ),
        st.integers(0, 2000),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(steps)
def test_a_narrow_filter_only_ever_names_ports_that_a_limited_application_had(
    steps: list[tuple[int, frozenset[str], Owners, int]],
) -> None:
    diversion, now = Diversion(32), 0
    allowed: dict[Transport, set[int]] = {"tcp": set(), "udp": set()}
    swaps: dict[Transport, list[tuple[int, FilterTarget | None]]] = {"tcp": [], "udp": []}
    for wait, limited, owners, foreign in steps:
        now += wait
        for (protocol, port), apps in owners.items():
            if apps <= limited:
                allowed[protocol].add(port)
        for changed, target in diversion.update(now, limited, owners, foreign).items():
            swaps[changed].append((now, target))
            assert target == diversion.target(changed)
        for protocol, ports in allowed.items():
            target = diversion.target(protocol)
            assert target is None or target.wide or target.ports <= ports
            if not limited and (not swaps[protocol] or now - swaps[protocol][-1][0] >= SWAP_NS):
                assert target is None
    for moments in swaps.values():
        for (first, before), (second, _) in itertools.pairwise(moments):
            assert second - first >= SWAP_NS or (before is not None and before.wide)
