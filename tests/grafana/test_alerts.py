"""A table of cases per alert: series made to fire it and series made not to, through a real InfluxQL engine."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from grafana.generate.alerts.rules import ALERTS, CAUSES
from grafana.generate.render import ROOT
from qos.contract import points as p
from tests.grafana.coarse import policies, write_coarse
from tests.grafana.sse import firing, reduce
from tests.servers import InfluxQL, influxql

pytestmark = pytest.mark.server

S = 10**9
RULES: dict[str, dict[str, Any]] = {
    rule["uid"]: rule
    for group in yaml.safe_load((ROOT / "provisioning/alerting/rules.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
Make = Callable[[str, int], Iterator[p.Point]]


@dataclass(frozen=True)
class Case:
    alert: str
    name: str
    fires: bool
    make: Make
    fresh: bool = False
    """True where the host's collector began less than ten minutes ago."""

    @property
    def host(self) -> str:
        return f"{self.alert} {self.name}"


def probes(rtt_ms: float, lost_every: int = 0, seconds: int = 300, *, sent: int = 1, shift: int = 0) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for age in range(1, seconds):
            ok = not lost_every or age % lost_every != 0
            yield p.Probe(
                time_ns=now - age * S - shift, host=host, target="8.8.8.8", ok=int(ok), rtt_ms=rtt_ms if ok else None,
                jitter_ms=1.0, loss_ratio=0.0, sent=sent, received=int(ok and sent), reason="",
            )  # fmt: skip

    return make


def traffic(bps: float, *, up_bps: float = 0, age_s: int = 0, seconds: int = 3600, unattributed: float = 0.0) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        step = 10
        for age in range(age_s + step, age_s + seconds, step):
            rx, tx = int(bps / 8 * step), int(up_bps / 8 * step)
            yield p.HostTraffic(
                time_ns=now - age * S, host=host, iface="eth0", rx_bytes=rx, tx_bytes=tx, rx_drops=0, tx_drops=0,
                rx_errors=0, tx_errors=0, unattributed_rx_bytes=int(rx * unattributed), unattributed_tx_bytes=0,
            )  # fmt: skip

    return make


def app(bps: float, name: str = "steam", up_bps: float = 0, seconds: int = 300, *, until_s: int = 1) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for age in range(until_s, seconds):
            yield p.AppTraffic(
                time_ns=now - age * S, host=host, app=name, rx_bytes=int(bps / 8), tx_bytes=int(up_bps / 8),
                rx_packets=1, tx_packets=1, flows=1, processes=1, priority=5,
            )  # fmt: skip

    return make


def limit(
    down: int | None, up: int | None = None, active: int = 1, name: str = "steam", ages_s: tuple[int, int] = (1, 60)
) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for age in range(*ages_s, 5):
            yield p.AppLimit(
                time_ns=now - age * S, host=host, app=name, down_bps=down, up_bps=up, active=active,
                delayed_packets=0, dropped_packets=0, queue_ms=0.0, reason="manual",
            )  # fmt: skip

    return make


def link(down: int, up: int) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        yield p.ConfiguredLink(time_ns=now - 60 * S, host=host, down_bps=down, up_bps=up)

    return make


def band(series: str, lower: float, upper: float, ahead_s: tuple[int, ...]) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for ahead in ahead_s:
            yield p.Forecast(
                time_ns=now + ahead * S, host=host, series=series, model="ridge", value=(lower + upper) / 2,
                lower=lower, upper=upper, baseline=lower, made_at=now,
            )  # fmt: skip

    return make


def score(mase: float, published: int = 1) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        yield p.ForecastScore(
            time_ns=now - 600 * S, host=host, series="host_down", model="ridge", mae=1.0, rmse=1.0, mase=mase, r2=0.5,
            coverage=0.8, samples=100, train_seconds=1.0, published=published,
        )  # fmt: skip

    return make


def agent(first_age_s: int, last_age_s: int, dropped: int = 0, lost: int = 0) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for age in range(last_age_s, first_age_s, 10):
            yield p.Agent(
                time_ns=now - age * S - 1, host=host, part="collector", cpu_percent=1.0, rss_bytes=1, points_written=1,
                points_dropped=dropped, capture_lost=lost, outbox_rows=0, restarts=0,
            )  # fmt: skip

    return make


def lag(cause: str = "application", *, name: str = "steam", last_age_s: int = 1) -> Make:
    """An incident that was last seen so long ago; the busy application may be another one."""

    def make(host: str, now: int) -> Iterator[p.Point]:
        for age in range(last_age_s, last_age_s + 200, 10):
            yield p.LagCause(
                time_ns=now - age * S, host=host, cause=cause, app=name, extra_ms=150.0, loss_ratio=0.0, confidence=0.9
            )

    return make


def both(*makes: Make) -> Make:
    def make(host: str, now: int) -> Iterator[p.Point]:
        for one in makes:
            yield from one(host, now)

    return make


NOW = (0, -60, -300, -600, -840)
SOON = (300, 3600)
CASES = (
    Case("autoqos-latency-high", "slow line", True, probes(200.0)),
    Case("autoqos-latency-high", "good line", False, probes(40.0)),
    Case("autoqos-latency-high", "exactly at the threshold", False, probes(150.0)),
    Case("autoqos-packet-loss", "one in ten lost", True, probes(20.0, 10)),
    Case("autoqos-packet-loss", "one in fifty lost", False, probes(20.0, 50)),
    Case("autoqos-packet-loss", "all lost", True, probes(20.0, 1)),
    Case("autoqos-packet-loss", "nothing could be sent", False, probes(20.0, 1, sent=0)),
    Case("autoqos-packet-loss", "some could not be sent", False, both(probes(20.0), probes(20.0, 2, sent=0, shift=1))),
    Case("autoqos-packet-loss", "all lost in the first minutes", False, probes(20.0, 1), fresh=True),
    Case("autoqos-latency-high", "slow in the first minutes", False, probes(200.0), fresh=True),
    Case("autoqos-bandwidth-drop", "a tenth of yesterday", True, both(traffic(1e6), traffic(1e7, age_s=86400))),
    Case("autoqos-bandwidth-drop", "as yesterday", False, both(traffic(9e6), traffic(1e7, age_s=86400))),
    Case("autoqos-bandwidth-drop", "yesterday was idle too", False, both(traffic(1e3), traffic(1e5, age_s=86400))),
    Case("autoqos-bandwidth-drop", "no yesterday", False, traffic(1e3)),
    Case("autoqos-over-budget-down", "twice its limit", True, both(app(4e6), limit(2_000_000))),
    Case("autoqos-over-budget-down", "at its limit", False, both(app(2e6), limit(2_000_000))),
    # The control loop takes back what is not used: the traffic of a minute ago had the limit of a minute ago.
    Case(
        "autoqos-over-budget-down",
        "the loop has just lowered it",
        False,
        both(app(4e6, until_s=60), limit(5_000_000, ages_s=(60, 300)), limit(64_000, ages_s=(1, 60))),
    ),
    # A limit set four minutes ago: what was before it is no breach.
    Case(
        "autoqos-over-budget-down",
        "obeyed since it was set",
        False,
        both(app(2e7, until_s=180), app(1.9e6, seconds=180), limit(2_000_000, ages_s=(1, 180))),
    ),
    Case("autoqos-over-budget-down", "limit ended", False, both(app(4e6), limit(2_000_000, active=0))),
    Case("autoqos-over-budget-down", "another one is limited", False, both(app(4e6), limit(2_000_000, name="zoom"))),
    Case("autoqos-over-budget-up", "twice its limit", True, both(app(0, up_bps=4e6), limit(None, 2_000_000))),
    Case("autoqos-over-budget-up", "only down is over", False, both(app(9e6, up_bps=1e6), limit(None, 2_000_000))),
    Case("autoqos-lag", "the detector names an app", True, both(lag(), app(1e7), traffic(1.1e7, seconds=300))),
    Case("autoqos-lag", "another one is busier", True, both(lag(), app(1e7, "zoom"), traffic(1.1e7, seconds=300))),
    Case("autoqos-lag", "the incident is over", False, both(lag(last_age_s=400), app(1e7))),
    Case("autoqos-lag", "the provider", False, both(lag("provider", name="-"), app(1e7))),
    Case("autoqos-lag", "busy but fast", False, both(probes(20.0), app(1e7), traffic(1.1e7, seconds=300))),
    Case("autoqos-saturation-down", "95 percent", True, both(traffic(1.9e7), link(20_000_000, 5_000_000))),
    Case("autoqos-saturation-down", "half", False, both(traffic(1e7), link(20_000_000, 5_000_000))),
    Case("autoqos-saturation-down", "no capacity set", False, traffic(1.9e7)),
    Case("autoqos-saturation-up", "95 percent", True, both(traffic(0, up_bps=4.8e6), link(20_000_000, 5_000_000))),
    Case("autoqos-saturation-up", "half", False, both(traffic(0, up_bps=2e6), link(20_000_000, 5_000_000))),
    Case(
        "autoqos-saturation-down-predicted",
        "soon",
        True,
        both(band("host_down", 1e7, 1.9e7, SOON), link(20_000_000, 1)),
    ),
    Case(
        "autoqos-saturation-down-predicted", "low", False, both(band("host_down", 1e6, 5e6, SOON), link(20_000_000, 1))
    ),
    Case(
        "autoqos-saturation-down-predicted",
        "past",
        False,
        both(band("host_down", 1e7, 1.9e7, NOW[1:]), link(20_000_000, 1)),
    ),
    Case("autoqos-saturation-up-predicted", "soon", True, both(band("host_up", 1e6, 4.9e6, SOON), link(1, 5_000_000))),
    Case("autoqos-saturation-up-predicted", "low", False, both(band("host_up", 1e5, 1e6, SOON), link(1, 5_000_000))),
    Case("autoqos-outside-band", "above", True, both(traffic(9e6), band("host_down", 1e6, 5e6, NOW))),
    Case("autoqos-outside-band", "below", True, both(traffic(1e5), band("host_down", 1e6, 5e6, NOW))),
    Case("autoqos-outside-band", "inside", False, both(traffic(3e6), band("host_down", 1e6, 5e6, NOW))),
    Case("autoqos-forecast-error", "grown", True, score(2.5)),
    Case("autoqos-forecast-error", "good", False, score(0.8)),
    Case("autoqos-forecast-error", "a model that does not serve", False, score(2.5, published=0)),
    Case("autoqos-agent-silent", "died an hour ago", True, agent(7200, 3600)),
    Case("autoqos-agent-silent", "died ten days ago", True, agent(10 * 86_400 + 7200, 10 * 86_400)),
    Case("autoqos-agent-silent", "forgotten after a month", False, agent(33 * 86_400 + 7200, 33 * 86_400)),
    Case("autoqos-agent-silent", "alive", False, agent(7200, 1)),
    Case("autoqos-agent-silent", "started a minute ago", False, agent(60, 1)),
    Case("autoqos-database-away", "it answers", False, agent(7200, 1)),
    Case("autoqos-coverage-low", "half unknown", True, traffic(5e6, seconds=900, unattributed=0.5)),
    Case("autoqos-coverage-low", "all known", False, traffic(5e6, seconds=900, unattributed=0.02)),
    Case("autoqos-coverage-low", "too little to matter", False, traffic(1e4, seconds=900, unattributed=0.9)),
    Case("autoqos-points-lost", "dropped", True, agent(1500, 1, dropped=1)),
    Case("autoqos-points-lost", "capture lost packets", True, agent(1500, 1, lost=7)),
    Case("autoqos-points-lost", "complete", False, agent(1500, 1)),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InfluxQL, int]]:
    with influxql(tmp_path_factory.mktemp("alerts")) as server:
        now = time.time_ns()
        with policies(server):
            for case in CASES:
                points = list(case.make(case.host, now))
                if case.alert not in ("autoqos-agent-silent", "autoqos-points-lost") and not case.fresh:
                    points += agent(3000, 700)(case.host, now)
                server.write(points)
                if case.alert in ("autoqos-agent-silent", "autoqos-points-lost"):
                    write_coarse(server, points)
            yield server, now


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.host.replace(" ", "-"))
def test_alert_fires_when_it_should_and_only_then(database: tuple[InfluxQL, int], case: Case) -> None:
    server, now = database
    found = [labels for labels in firing(server, RULES[case.alert], now) if labels.get("host") == case.host]
    assert bool(found) is case.fires, found
    if "$labels.app" in RULES[case.alert]["annotations"]["summary"] and found:
        assert found[0].get("app") == "steam"


def test_every_alert_has_cases_that_fire_and_cases_that_do_not() -> None:
    for alert in ALERTS:
        if alert.on_error == "Alerting":
            continue  # It fires on a failed query and on nothing else.
        assert {case.fires for case in CASES if case.alert == alert.uid} == {True, False}, alert.uid


@pytest.mark.parametrize(
    ("cause", "words"), [*CAUSES, ("", "its cause is not known"), ("unknown", "its cause is not known")]
)
def test_a_latency_alert_says_the_cause_that_the_detector_found(
    database: tuple[InfluxQL, int], cause: str, words: str
) -> None:
    """The number reaches the text through ``$values``; here the template's chain is read as Go would."""
    server, now = database
    host = f"slow because of {cause or 'nothing'}"
    server.write([*probes(200.0)(host, now), *agent(3000, 0)(host, now)])
    if cause:
        server.write(list(lag(cause)(host, now)))
    rule = RULES["autoqos-latency-high"]
    query = next(node["model"]["query"] for node in rule["data"] if node["refId"] == "K_q")
    numbers = reduce(server, query, "last")
    number = numbers[frozenset({("host", host)})]
    text = rule["annotations"]["summary"]
    said = dict(re.findall(r'\(index \$values "K"\)\.Value ([\d.]+) \}\}([^{]+)\{\{', text))
    assert said.get(f"{number:.1f}", re.findall(r"else \}\}([^{]+)", text)[0]) == words
