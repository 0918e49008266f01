import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.steering import overrides
from qos.contract.documents.override import Override
from qos.contract.documents.pause import Pause
from tests.fakes import MemoryStore

_S = 10**9
_RATES = st.one_of(st.none(), st.integers(min_value=1, max_value=10**12))


def test_a_limit_keeps_the_priority_and_a_priority_keeps_the_limit() -> None:
    store = MemoryStore()
    overrides.set_priority(store, "steam", 5, 1)
    overrides.set_limit(store, "steam", down_bps=2_000_000, up_bps=None, until_ns=None, now_ns=2)
    overrides.set_priority(store, "steam", 1, 3)
    assert overrides.read_override(store, "steam", 4) == Override(1, 2_000_000, None, None, 3)


def test_the_document_is_what_the_enforcer_reads() -> None:
    store = MemoryStore()
    overrides.set_limit(store, "steam", down_bps=2, up_bps=1, until_ns=9, now_ns=5)
    assert store.get_state("override:app:steam") == {
        "v": 1,
        "priority": None,
        "down_bps": 2,
        "up_bps": 1,
        "until_ns": 9,
        "set_ns": 5,
    }
    overrides.pause(store, None, 6)
    assert store.get_state("override:pause") == {"v": 1, "until_ns": None, "set_ns": 6}


@given(st.one_of(st.none(), st.integers(0, 5)), _RATES, _RATES)
@settings(deadline=None)
def test_taking_everything_back_leaves_nothing_behind(
    priority: int | None, down_bps: int | None, up_bps: int | None
) -> None:
    store = MemoryStore()
    overrides.set_priority(store, "a", priority, 1)
    overrides.set_limit(store, "a", down_bps=down_bps, up_bps=up_bps, until_ns=None, now_ns=2)
    overrides.set_priority(store, "a", None, 3)
    overrides.set_limit(store, "a", down_bps=None, up_bps=None, until_ns=None, now_ns=4)
    assert store.states("override:") == {}


def test_when_their_time_is_over_the_limits_end_and_the_priority_stays() -> None:
    store = MemoryStore()
    overrides.set_priority(store, "a", 4, 1)
    overrides.set_limit(store, "a", down_bps=5, up_bps=5, until_ns=10, now_ns=2)
    assert overrides.read_override(store, "a", 9).limited
    assert overrides.read_override(store, "a", 10) == Override(priority=4, set_ns=2)
    assert overrides.read_overrides(store, 10) == {"a": Override(priority=4, set_ns=2)}


def test_a_pause_ends_by_time_or_by_resume() -> None:
    store = MemoryStore()
    assert overrides.read_pause(store, 0) is None
    overrides.pause(store, 10 * _S, 0)
    assert overrides.read_pause(store, 10 * _S - 1) == Pause(10 * _S)
    assert overrides.read_pause(store, 10 * _S) is None
    overrides.pause(store, None, 0)
    assert overrides.read_pause(store, 10**18) == Pause()
    overrides.resume(store)
    assert overrides.read_pause(store, 0) is None


@pytest.mark.parametrize("text", ["Firefox", "FIREFOX.EXE", " firefox "])
def test_case_and_exe_do_not_matter_for_an_application_that_is_known(text: str) -> None:
    assert overrides.match_name(text, ["firefox", "steam"])[0] == "firefox"


def test_an_exact_name_wins_over_a_similar_one() -> None:
    assert overrides.match_name("App.exe", ["app", "App.exe"])[0] == "App.exe"


def test_an_unknown_application_is_taken_as_written_with_the_likely_ones() -> None:
    assert overrides.match_name("firefx", ["firefox", "steam"]) == ("firefx", ("firefox",))


def test_somebody_elses_mistake_in_the_store_is_no_override() -> None:
    store = MemoryStore()
    store.set_state("override:app:x", [1, 2])
    store.set_state("override:app:y", {"down_bps": 1_000_000, "until_ns": "2026-01-01"})
    store.set_state("override:pause", "soon")
    assert overrides.read_override(store, "x", 0) == Override()
    assert overrides.read_overrides(store, 5) == {}
    assert overrides.read_pause(store, 0) is None
