"""Every document: what is dumped is parsed again, and whatever else JSON can hold never raises."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.contract.documents.engine import WIDE, ControlReport, EngineReport, LineReport
from qos.contract.documents.fields import MAX_BPS, MAX_INT
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.limits import EnforcedApp, Limits
from qos.contract.documents.live import Live, LiveProbe, LiveRow, LiveTraffic
from qos.contract.documents.override import Override
from qos.contract.documents.pause import Pause
from qos.contract.documents.shipping_report import ShippingReport
from qos.contract.reason import Cause, Reason, RuleReference, Subject

COUNTS = st.integers(0, MAX_INT)
TEXTS = st.text(max_size=20)
NAMES = st.text(min_size=1, max_size=20)
RATIOS = st.none() | st.floats(0, 1)
MS = st.none() | st.floats(0, 1e6)
LEVELS = st.none() | st.integers(0, 5)
RATES = st.none() | st.integers(0, MAX_BPS)
TIMES = st.none() | COUNTS

OVERRIDES = st.builds(Override, LEVELS, RATES, RATES, TIMES, COUNTS)
PAUSES = st.builds(Pause, TIMES, COUNTS)
TRAFFIC = st.builds(LiveTraffic, COUNTS, COUNTS, COUNTS, COUNTS)
NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("rx_bytes", "tx_bytes", "rx_bps", "tx_bps", "flows"), COUNTS),
    "background": st.booleans(),
    "priority": LEVELS,
}
APPS = st.builds(LiveRow, app=NAMES, processes=COUNTS, **NUMBERS)
PROCESSES = st.builds(
    LiveRow, app=NAMES, pid=st.integers(0, 2**32), processes=st.just(1), name=TEXTS, started_ns=COUNTS, **NUMBERS
)
PROBES = st.builds(LiveProbe, NAMES, st.booleans(), MS, MS, RATIOS, TEXTS)
LIVES = st.builds(
    Live,
    time_ns=COUNTS,
    started_ns=st.integers(1, MAX_INT),
    interval_ns=st.integers(1, MAX_INT),
    host=TEXTS,
    backend=NAMES,
    backend_reason=TEXTS,
    blind_to=st.lists(TEXTS, max_size=2).map(tuple),
    lost=COUNTS,
    coverage=RATIOS,
    apps=st.lists(APPS, max_size=3).map(tuple),
    processes=st.lists(PROCESSES, max_size=3).map(tuple),
    unattributed=TRAFFIC,
    host_traffic=TRAFFIC,
    probes=st.lists(PROBES, max_size=2).map(tuple),
    notes=st.lists(TEXTS, max_size=2).map(tuple),
    ticks_skipped=COUNTS,
)
REPORTS = st.builds(
    ShippingReport,
    url=TEXTS,
    bucket=TEXTS,
    rate=MS,
    last_error=TEXTS,
    **dict.fromkeys(("rows", "oldest_ns", "sent", "rejected", "aged_out", "failures", "rss_bytes"), TIMES),
)
HEARTBEATS = st.builds(
    Heartbeat,
    pid=st.integers(1, 2**32),
    time_ns=COUNTS,
    state=NAMES,
    detail=TEXTS,
    start=COUNTS,
    every_ns=st.integers(1, MAX_INT),
    report=REPORTS.map(ShippingReport.dump) | st.just({}),
)
REASONS = st.builds(
    Reason,
    st.sampled_from(Subject),
    st.sampled_from(Cause),
    TIMES,
    TEXTS,
    st.none() | st.builds(RuleReference, COUNTS, TEXTS, TEXTS),
    LEVELS,
    TEXTS,
    TIMES,
)
ENFORCED = st.builds(
    EnforcedApp,
    priority=st.integers(0, 5),
    category=TEXTS,
    source=TEXTS,
    reasons=st.lists(REASONS, max_size=3).map(tuple),
    down_bps=RATES,
    up_bps=RATES,
    queue_ms=st.floats(0, 1e6),
    **dict.fromkeys(
        ("demand_down_bps", "demand_up_bps", "delayed_packets", "dropped_packets", "marked_packets"), COUNTS
    ),
)
LINE_REPORTS = st.builds(LineReport, TEXTS, RATES, st.integers(0, MAX_BPS), RATES, RATIOS, MS)
CONTROL_REPORTS = st.builds(
    ControlReport,
    network=TEXTS,
    targets_answering=COUNTS,
    one_way_ms=st.dictionaries(st.sampled_from(("down", "up")), st.floats(-1e6, 1e6)),
    failed=st.none() | NAMES,
    lines=st.dictionaries(st.sampled_from(("down", "up")), LINE_REPORTS),
)
PORTS = st.none() | st.just(WIDE) | st.lists(st.integers(0, 65535), max_size=3).map(tuple)
ENGINES = st.builds(
    EngineReport,
    handles=COUNTS,
    oldest_ms=st.floats(0, 1e6),
    filters=st.dictionaries(st.sampled_from(("tcp", "udp")), PORTS),
    datapath=TEXTS,
    ports=TIMES,
    auto=st.none() | CONTROL_REPORTS,
)
LIMITS = st.builds(
    Limits,
    COUNTS,
    TEXTS,
    TEXTS,
    TEXTS,
    st.dictionaries(NAMES, ENFORCED, max_size=2),
    st.builds(EngineReport, handles=COUNTS),
)
DOCUMENTS: dict[type, st.SearchStrategy[Any]] = {
    Override: OVERRIDES,
    Pause: PAUSES,
    Live: LIVES,
    Limits: LIMITS,
    Heartbeat: HEARTBEATS,
    ShippingReport: REPORTS,
}


def json_values(*, nan: bool) -> st.SearchStrategy[Any]:
    """Anything; with ``nan`` also the numbers that Python's parser makes of ``NaN`` and ``Infinity``."""
    numbers = st.integers() | st.floats(allow_nan=nan, allow_infinity=nan)
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )


def through_json(document: Any) -> Any:
    """As the store keeps it."""
    return json.loads(json.dumps(document, allow_nan=False))


@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_what_is_dumped_is_parsed_again(kind: Any, data: st.DataObject) -> None:
    made = data.draw(DOCUMENTS[kind])
    assert kind.parse(through_json(made.dump())) == made


@given(ENGINES)
def test_the_engines_figures_are_parsed_again(made: EngineReport) -> None:
    assert EngineReport.parse(through_json(made.dump())) == made


@given(ENGINES, st.data())
def test_no_figure_of_the_engine_makes_the_reader_raise(made: EngineReport, data: st.DataObject) -> None:
    keys = st.sampled_from(sorted(field.name for field in fields(EngineReport)))
    changed = made.dump() | data.draw(st.dictionaries(keys, json_values(nan=True), max_size=4))
    found = EngineReport.parse(changed)
    assert EngineReport.parse(through_json(found.dump())) == found


@pytest.mark.parametrize("kind", [Override, Pause, Live, Limits, Heartbeat], ids=lambda kind: kind.__name__)
@given(st.data())
def test_no_json_makes_a_reader_raise(kind: Any, data: st.DataObject) -> None:
    kind.parse(data.draw(json_values(nan=True)))
    good = data.draw(DOCUMENTS[kind]).dump()
    keys = st.sampled_from(sorted(good))
    kind.parse(good | data.draw(st.dictionaries(keys, json_values(nan=True), max_size=4)))
    found = kind.parse(good | data.draw(st.dictionaries(keys, json_values(nan=False), max_size=4)))
    if found is not None:
        assert kind.parse(through_json(found.dump())) == found


@pytest.mark.parametrize("kind", [Override, Pause, Live, Limits, Heartbeat], ids=lambda kind: kind.__name__)
@given(st.data())
def test_a_newer_version_is_read_as_far_as_it_is_understood(kind: Any, data: st.DataObject) -> None:
    made = data.draw(DOCUMENTS[kind])
    if kind is Heartbeat:
        made = Heartbeat(made.pid, made.time_ns, made.state)
        assert Heartbeat.parse({**made.dump(), "v": 7, "colour": "red"}) == Heartbeat(
            made.pid, made.time_ns, made.state, report={"colour": "red"}
        )
    else:
        assert kind.parse({**made.dump(), "v": 7, "colour": "red"}) == made
    assert kind.parse({**made.dump(), "v": "new"}) is None
    versionless = made.dump()
    del versionless["v"]
    assert kind.parse(versionless) == made
