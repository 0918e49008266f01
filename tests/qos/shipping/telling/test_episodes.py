from typing import cast

from qos.shipping.telling.episodes import Episodes, Kind, StateChange, sentence
from qos.system.clock import NS_PER_S as S


def seen(episodes: Episodes, at_s: float, **kinds: str) -> list[StateChange]:
    given = cast("dict[Kind, str]", kinds)
    return list(episodes.saw(int(at_s * S), given))


def test_an_outage_begins_after_ten_seconds_and_ends_with_the_first_answer() -> None:
    episodes = Episodes()
    assert seen(episodes, 0, outage="refused") == []
    assert seen(episodes, 9.9, outage="refused") == []
    assert seen(episodes, 10, outage="reset") == [StateChange("outage", True, "reset")]
    assert seen(episodes, 500, outage="reset") == []
    assert dict(episodes.running) == {"outage": "reset"}
    assert seen(episodes, 600) == [StateChange("outage", False, "reset", 500 * S)]
    assert seen(episodes, 601) == []
    assert not episodes.running


def test_a_lost_packet_is_no_outage() -> None:
    episodes = Episodes()
    changes = [
        change for at in range(0, 1000, 8) for change in (seen(episodes, at, outage="x"), seen(episodes, at + 4))
    ]
    assert changes == [[]] * 250


def test_a_refusal_is_said_at_once_and_whatever_often_it_is_seen_once() -> None:
    episodes = Episodes()
    told = [change for at in range(1000) for change in seen(episodes, at / 100, refused="401")]
    assert told == [StateChange("refused", True, "401")]


def test_points_set_aside_now_and_then_are_one_episode() -> None:
    episodes = Episodes()
    told = []
    for at in range(2000):
        told += seen(episodes, at, set_aside="conflict") if at < 1000 and at % 100 == 0 else seen(episodes, at)
    assert told == [StateChange("set_aside", True, "conflict"), StateChange("set_aside", False, "conflict", 900 * S)]


def test_states_are_independent_and_each_has_its_sentence() -> None:
    episodes = Episodes()
    kinds = ("refused", "set_aside", "history_refused", "store_unreadable")
    begun = seen(episodes, 0, **dict.fromkeys(kinds, "why"))
    assert {change.kind for change in begun} == set(kinds)
    ended = seen(episodes, 10_000)
    assert {change.kind for change in ended} == set(kinds)
    for change in begun:
        assert sentence(change, "http://db").endswith(": why")
    assert len({sentence(change, "http://db") for change in begun + ended}) == 8


def test_a_state_told_by_the_process_before_ends_once_and_is_not_told_again() -> None:
    episodes = Episodes()
    episodes.resume("outage", "refused", 1000 * S, 600 * S)
    assert seen(episodes, 1000, outage="refused") == []
    assert seen(episodes, 1030) == [StateChange("outage", False, "refused", 600 * S)]
    assert seen(episodes, 1031) == []
