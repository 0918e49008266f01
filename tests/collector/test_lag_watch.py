"""What the watch over lag tells while an incident runs: a row whose tags name the culprit, so that alerts can."""

from collector.lag_watch import LagWatch
from qos.contract.documents.lag import RunningLag
from qos.contract.points import to_line


def test_a_running_incident_is_a_row_a_tick_that_names_who_makes_it() -> None:
    watch = LagWatch(["192.0.2.7"], lambda address: None)
    assert watch.blamed(5, "pc") == []
    watch.running = RunningLag(onset_ns=1, cause="application", app="steam", extra_ms=80.0, confidence=0.9)
    (row,) = watch.blamed(5, "pc")
    assert to_line(row) == (
        "lag_cause,app=steam,cause=application,host=pc extra_ms=80.0,loss_ratio=0.0,confidence=0.9 5"
    )


def test_where_no_application_made_it_the_tag_is_there_and_names_nobody() -> None:
    watch = LagWatch(["192.0.2.7"], lambda address: None)
    watch.running = RunningLag(onset_ns=1, cause="provider", extra_ms=300.0)
    assert [(row.cause, row.app) for row in watch.blamed(5, "pc")] == [("provider", "-")]
