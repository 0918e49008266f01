from collector.notices import MAX_EVENTS, MAX_NOTES, NOTE_NS, Notices

S = 10**9


def test_a_note_is_an_event_once_and_shown_while_it_is_repeated() -> None:
    notices = Notices("collector")
    for second in range(5):
        notices.note(second * S, second * S, "kernel", "half blind")
    assert [e.message for e in notices.take("pc")] == ["half blind"]
    assert notices.shown(4 * S) == ["half blind"]
    assert notices.shown(4 * S + NOTE_NS) == []


def test_events_of_one_instant_are_rows_of_their_own_and_bounded() -> None:
    notices = Notices("collector")
    for number in range(3 * MAX_EVENTS):
        notices.event(7, "capture", "", str(number))
    events = notices.take("pc")
    assert len(events) == len({e.time_ns for e in events}) == MAX_EVENTS
    assert notices.take("pc") == []


def test_only_the_newest_notes_are_shown() -> None:
    notices = Notices("collector")
    for number in range(20):
        notices.note(0, number, "x", str(number))
    assert notices.shown(20) == [str(n) for n in range(20 - MAX_NOTES, 20)]


def test_the_errors_of_a_broken_config_are_shown_until_it_is_mended() -> None:
    notices = Notices("collector")
    notices.config_broken(0, ("config.yaml: interval: bad",))
    assert notices.shown(10**18) == ["config.yaml: interval: bad"]
    notices.config_applied(1)
    assert notices.shown(2) == []
    assert [e.kind for e in notices.take("pc")] == ["config_error", "config"]
