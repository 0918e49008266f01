from collector.accounting.shaper_drops import ShaperDrops


def test_only_what_a_total_grew_by_is_new_and_a_smaller_one_began_anew() -> None:
    drops = ShaperDrops()
    assert drops.since_last({"steam": 5_000}, "kernel") == {}  # from before this collector ran
    assert drops.since_last({"steam": 6_500, "zoom": 0}, "kernel") == {"steam": 1_500}
    assert drops.since_last({"steam": 6_500, "zoom": 300}, "kernel") == {"zoom": 300}
    assert drops.since_last({"steam": 400}, "kernel") == {"steam": 400}
    assert drops.since_last(None, "kernel") == {}  # no enforcer for a while
    assert drops.since_last({"steam": 10_000}, "kernel") == {}
    assert drops.since_last({}, "kernel") == {}
    assert drops.since_last({"steam": 900}, "kernel") == {"steam": 900}


def test_a_backend_that_saw_the_packets_first_has_counted_them() -> None:
    drops = ShaperDrops()
    drops.since_last({"steam": 0}, "divert")
    assert drops.since_last({"steam": 6_500}, "divert") == {}
    assert drops.since_last({"steam": 7_500}, "kernel") == {"steam": 1_000}
