"""What the collector takes over from the enforcer, and for how long it waits for more."""

from typing import Any

from collector.enforcer_state import LIMITS_NS, EnforcerState
from qos.contract.config import parse_config
from qos.contract.documents.limits import STALE_NS, EnforcedApp, Limits

S = 10**9
NOON = 1_763_690_400 * S


class States:
    """The store's documents, and how often they were read."""

    def __init__(self) -> None:
        self.limits: Limits | None = None
        self.reads = 0

    def get_state(self, key: str) -> Any | None:
        self.reads += 1
        return self.limits.dump() if self.limits is not None and key == Limits.KEY else None

    def states(self, prefix: str) -> dict[str, Any]:
        return {}


def limits(at_ns: int, dropped: int, state: str = "enforcing") -> Limits:
    return Limits(at_ns, "enforce", state, apps={"game": EnforcedApp(4, down_bps=1, dropped_down_bytes=dropped)})


def test_dropped_bytes_may_be_named_as_late_as_the_enforcer_last_told() -> None:
    states = States()
    state = EnforcerState(parse_config(""), states)
    state.look(0, NOON)
    assert (state.enforcing(NOON), state.late_ns(NOON)) == (False, 0)
    states.limits = limits(NOON - 3 * S, 100)
    state.look(LIMITS_NS, NOON)
    assert state.enforcing(NOON)
    assert state.late_ns(NOON) == 3 * S
    assert state.late_ns(NOON + STALE_NS) == 0, "an enforcer that says nothing for so long is gone"
    assert state.dropped(NOON, "kernel") == {}, "dropped before this collector looked"
    states.limits = limits(NOON + S, 250)
    state.look(LIMITS_NS + 1, NOON + S)
    assert state.dropped(NOON + S, "kernel") == {"game": 150}


def test_documents_are_read_in_every_tick_only_while_somebody_is_limited() -> None:
    states = States()
    state = EnforcerState(parse_config(""), states)
    for at_ns in (0, S // 10, LIMITS_NS - 1):
        state.look(at_ns, NOON)
    assert states.reads == 1
    states.limits = limits(NOON, 0)
    for at_ns in (LIMITS_NS, LIMITS_NS + 1, LIMITS_NS + 2):
        state.look(at_ns, NOON)
    assert states.reads == 4
