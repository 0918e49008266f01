"""Who is elastic: bulk at once, a call never, a game only above its share."""

from enforcer.allocation.allocate import Share
from enforcer.allocation.elasticity import KEEP_LOW_NS, KEEP_NS, ElasticApps, Moving

S = 10**9
M = 1_000_000
SHARES = {0: Share(100), 1: Share(50), 2: Share(30), 3: Share(20), 4: Share(10), 5: Share(5)}


def update(apps: ElasticApps, now_ns: int, capacity: int | None = 20 * M, **moving: Moving) -> frozenset[str]:
    return apps.update(now_ns, "down", moving, SHARES, capacity, passing_bps=90 * M)


def test_a_call_is_never_elastic_at_the_upper_levels() -> None:
    apps = ElasticApps()
    for level in (0, 1, 2):
        assert update(apps, 0, call=Moving(level, 750_000), bulk=Moving(5, 15 * M)) == {"bulk"}


def test_a_call_stays_free_on_a_line_that_was_learned_to_be_tiny() -> None:
    assert update(ElasticApps(), 0, 600_000, call=Moving(1, 750_000), bulk=Moving(5, 500_000)) == {"bulk"}


def test_a_game_that_downloads_more_than_its_share_is() -> None:
    assert update(ElasticApps(), 0, game=Moving(1, 19 * M), bulk=Moving(5, 5 * M)) == {"game", "bulk"}
    assert update(ElasticApps(), 0, game=Moving(0, 19 * M)) == frozenset()


def test_a_download_is_elastic_from_a_sixteenth_of_the_line_on_and_keeps_its_class_for_a_while() -> None:
    apps = ElasticApps()
    assert update(apps, 0, browser=Moving(3, M)) == frozenset()
    assert update(apps, S, browser=Moving(3, 2 * M)) == {"browser"}
    assert update(apps, KEEP_NS, browser=Moving(3, 0)) == {"browser"}
    assert update(apps, S + KEEP_NS, browser=Moving(3, 0)) == frozenset()


def test_the_lowest_levels_have_a_class_as_soon_as_they_are_there_where_the_line_is_known() -> None:
    apps = ElasticApps()
    assert update(apps, 0, None, backup=Moving(5, 0)) == frozenset()
    assert update(apps, 0, backup=Moving(5, 0)) == {"backup"}
    assert update(apps, KEEP_LOW_NS - 1, backup=Moving(5, 0)) == {"backup"}


def test_on_an_unknown_line_that_carries_little_a_little_is_noticeable() -> None:
    # An upload on an uplink of 1 Mbit/s never moves 1 Mbit/s: it was never held, and the call waited behind it.
    apps = ElasticApps()
    upload = {"backup": Moving(5, 880_000), "call": Moving(1, 100_000)}
    assert apps.update(0, "up", upload, SHARES, None, passing_bps=990_000) == {"backup"}
    assert apps.update(0, "down", {"page": Moving(3, 300_000)}, SHARES, None, passing_bps=90 * M) == frozenset()


def test_who_moved_to_level_0_is_let_go_at_once() -> None:
    apps = ElasticApps()
    assert update(apps, 0, app=Moving(5, 9 * M)) == {"app"}
    assert update(apps, 1, app=Moving(0, 9 * M)) == frozenset()
