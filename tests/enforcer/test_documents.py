"""What others wrote, turned into what decisions need."""

from enforcer.allocation.planner import Usage
from enforcer.documents import heartbeats_from, in_force, next_expiry_ns, usage_from
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.live import Live, LiveRow
from qos.contract.documents.override import Override, overrides_from
from qos.contract.documents.pause import Pause


def test_overrides_are_read_by_application_and_expire() -> None:
    documents = {
        "override:app:a": {"priority": 4, "down_bps": 5, "up_bps": None, "until_ns": 10, "set_ns": 0},
        "override:app:b": {"down_bps": 5, "until_ns": 10},
        "override:app:c": "nonsense",
        "override:app:d": {"down_bps": 5, "until_ns": "soon"},
        "override:pause": {"until_ns": 99},
    }
    found = overrides_from(documents)
    assert found == {"a": Override(4, 5, None, 10), "b": Override(None, 5, None, 10)}
    assert in_force(found, 9) == found
    assert in_force(found, 10) == {"a": Override(4)}


def test_the_next_moment_at_which_something_ends_by_itself() -> None:
    found, pause = [Override(4, 5, None, 10), Override(1)], Pause(99)
    assert [next_expiry_ns(found, pause, now) for now in (9, 10, 99)] == [10, 99, None]
    assert next_expiry_ns(found, None, 10) is None


def test_usage_is_the_collectors_last_tick() -> None:
    assert usage_from(Live(1, 0, apps=(LiveRow("a", rx_bps=10, tx_bps=5),))) == {"a": Usage(10, 5)}


def test_what_is_no_heartbeat_is_left_out() -> None:
    beat = Heartbeat(5, 7, "running")
    assert heartbeats_from({"part:a": beat.dump(), "part:b": 3, "part:c": {"pid": 6}}) == (beat,)
