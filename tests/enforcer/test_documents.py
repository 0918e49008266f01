"""Documents of others, read with suspicion."""

import pytest

from enforcer.allocation.planner import Usage
from enforcer.documents import FRESH_NS, live_from, next_expiry_ns, overrides_from, own_pids_from, paused_from
from qos.policy.policy import Override

S = 10**9


def test_overrides_are_read_by_application_and_expire() -> None:
    documents = {
        "override:app:a": {"priority": 4, "down_bps": 5, "up_bps": None, "until_ns": 10, "set_ns": 0},
        "override:app:b": {"down_bps": 5, "until_ns": 10},
        "override:app:c": "nonsense",
        "override:pause": {"until_ns": 99},
    }
    assert overrides_from(documents, 9) == {"a": Override(4, 5, None, 10), "b": Override(None, 5, None, 10)}
    assert overrides_from(documents, 10) == {"a": Override(4)}
    assert next_expiry_ns(documents, 9) == 10
    assert next_expiry_ns(documents, 10) == 99
    assert next_expiry_ns(documents, 99) is None


@pytest.mark.parametrize(
    ("document", "paused"),
    [
        (None, False),
        ({}, True),
        ({"until_ns": None}, True),
        ({"until_ns": 6}, True),
        ({"until_ns": 5}, False),
        ([], False),
    ],
)
def test_the_pause(document: object, paused: bool) -> None:
    assert paused_from(document, 5) is paused


def test_the_collectors_view_is_taken_while_it_is_fresh() -> None:
    document = {
        "time_ns": 100 * S,
        "apps": [
            {"app": "a", "rx_bps": 10.6, "tx_bps": 5},
            {"app": "b", "rx_bps": "many"},
            {"rx_bps": 1},
            None,
            {"app": "c", "rx_bps": float("nan"), "tx_bps": -3},
        ],
        "processes": [{"app": "a", "pid": 7}, {"app": "a", "pid": 8}, {"app": "b"}],
        "unattributed": {"rx_bps": 9},
    }
    live = live_from(document, 101 * S)
    assert live is not None
    assert live.usage == {"a": Usage(10, 5), "b": Usage(), "c": Usage()}
    assert live.pids == {"a": 7}
    assert (live.unattributed_down_bps, live.unattributed_up_bps) == (9, 0)
    assert live_from(document, 100 * S + FRESH_NS + 1) is None
    assert live_from({"time_ns": "now"}, 0) is None
    assert live_from(None, 0) is None


def test_our_own_processes_are_those_with_a_heartbeat_that_did_not_stop() -> None:
    parts = {"part:a": {"pid": 5, "state": "running"}, "part:b": {"pid": 6, "state": "stopped"}, "part:c": 3}
    assert own_pids_from(parts) == {5}
