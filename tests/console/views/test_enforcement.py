from console.steering import overrides
from console.views.enforcement import known_apps, read_enforcement
from console.views.enforcement_table import document, explain, narrow, render
from console.views.policy_preview import decide
from qos.contract.config import Config, parse_config
from qos.contract.documents.override import Override
from qos.policy.matching import AppIdentity
from tests.console.samples import S, live_document
from tests.fakes import MemoryStore

NOW = 1_800_000_000 * S


def _store(mode: str = "enforce", age_ns: int = 0) -> MemoryStore:
    store = MemoryStore()
    store.set_state("live", live_document(NOW))
    store.set_state("part:enforcer", {"pid": 1, "time_ns": NOW - age_ns, "state": "shaping", "detail": ""})
    store.set_state(
        "limits",
        {
            "time_ns": NOW,
            "mode": mode,
            "state": "shaping",
            "reason": "one limit by hand",
            "apps": {
                "steam": {
                    "category": "gaming",
                    "priority": 1,
                    "source": "override",
                    "reasons": [
                        {"subject": "priority", "cause": "hand", "value": 1},
                        {"subject": "down", "cause": "hand", "value": 2_000_000},
                        {"subject": "colour", "cause": "of a newer version"},
                    ],
                    "down_bps": 2_000_000,
                    "up_bps": None,
                    "demand_down_bps": 9_000_000,
                    "demand_up_bps": 1,
                    "delayed_packets": 12,
                    "dropped_packets": 3,
                    "queue_ms": 4.25,
                }
            },
            "engine": {},
        },
    )
    return store


def test_every_application_that_anybody_named_is_listed_busiest_first() -> None:
    store = _store()
    overrides.set_priority(store, "zoom", 0, NOW)
    found = read_enforcement(store, Config(), NOW)
    assert [policy.app for policy in found.apps] == ["steam", "firefox", "sshd", "zoom"]
    assert known_apps(store) == {"steam", "firefox", "sshd", "zoom"}
    steam = found.find("steam")
    assert steam is not None
    assert (steam.category, steam.priority, steam.down_bps) == ("gaming", 1, 2_000_000)


def test_apps_json_has_the_promised_keys() -> None:
    found = document(read_enforcement(_store(), Config(), NOW))
    assert found["mode"] == "enforce"
    assert set(found["apps"][0]) >= {
        "app",
        "category",
        "priority",
        "source",
        "reasons",
        "down_bps",
        "up_bps",
        "demand_down_bps",
        "demand_up_bps",
        "delayed_packets",
        "dropped_packets",
        "queue_ms",
    }


def test_the_table_shows_limits_drops_and_queue() -> None:
    columns, rows = render(read_enforcement(_store(), Config(), NOW))
    row = dict(zip([name for name, _ in columns], rows[0], strict=True))
    assert (row["Application"], row["▼ limit"], row["▲ limit"]) == ("steam", "2.0 M", "")
    assert (row["Delayed"], row["Dropped"], row["Queue"]) == ("12", "3", "4.2 ms")


def test_a_narrow_terminal_gets_lines_of_eighty_columns() -> None:
    store = _store()
    overrides.set_priority(store, "an-application-with-a-name-that-never-ends", 5, NOW)
    lines = list(narrow(read_enforcement(store, Config(), NOW)))
    assert max(map(len, lines)) <= 80
    assert "  by override: 12 delayed, 3 dropped, queue 4.2 ms" in lines


def test_it_is_said_when_what_is_set_has_no_effect() -> None:
    assert read_enforcement(_store(), Config(), NOW).note() is None
    for store, word in (
        (_store("observe"), "observe"),
        (_store("dry_run"), "dry_run"),
        (_store(age_ns=60 * S), "no enf"),
    ):
        note = read_enforcement(store, Config(), NOW).note()
        assert note is not None
        assert word in note
    paused = _store()
    overrides.pause(paused, None, NOW)
    assert "paused" in (read_enforcement(paused, Config(), NOW).note() or "")


def test_an_enforcer_that_fell_silent_decides_nothing_any_more() -> None:
    found = read_enforcement(_store(age_ns=60 * S), Config(), NOW)
    steam = found.find("steam")
    assert not found.running
    assert steam is not None
    assert steam.reasons == ()
    assert steam.down_bps is None


def test_why_tells_the_enforcers_reasons_in_its_words() -> None:
    lines = list(explain(read_enforcement(_store(), Config(), NOW), Config(), "steam", Override(), None))
    assert lines[0] == "steam: priority 1 (gaming)"
    assert "  priority 1: set by hand" in lines
    assert "  limit: down 2.0 Mbit/s" in lines


def test_why_works_the_rules_out_when_no_enforcer_is_running() -> None:
    config = parse_config("apps: [{match: 'back*', priority: 5, down: 1mbit}]")
    store = MemoryStore()
    decision = decide(config, AppIdentity("backup"), Override(), NOW)
    lines = list(explain(read_enforcement(store, config, NOW), config, "backup", Override(), decision))
    assert lines[0] == "backup: priority 5 (background) by the rules"
    assert "  limit: down 1.0 Mbit/s" in lines
    assert any("no enforcer is running" in line for line in lines)
