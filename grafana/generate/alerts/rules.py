"""The alert rules: what must hold for how long, and the words that say who and what.

Every rule is queries → reduce → math or threshold, as Grafana wants it (a condition on reduced numbers). InfluxDB
returns no series when there is nothing to say, so "no data" is fine for every rule; who is silent is asked for by name.
When InfluxDB is away, one rule says so and all others keep their state (docs/decisions/0082). ``$`` rules of
provisioning: labels would be interpolated and use ``$$``; annotations and query models are taken as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from grafana.generate.boards import runbooks
from grafana.generate.boards.fleet import beats_query
from grafana.generate.parts import thresholds as t
from grafana.generate.parts.influxql import UID

FOLDER: Final = "AutoQoS"
DAY: Final = 86_400

Reducer = Literal["mean", "max", "min", "last", "sum", "count"]


@dataclass(frozen=True)
class Query:
    """One InfluxQL query over ``from_s`` to ``to_s`` seconds ago, reduced to one number per label set."""

    text: str
    reducer: Reducer
    from_s: int = 300
    to_s: int = 0


@dataclass(frozen=True)
class Alert:
    """One rule. ``queries`` by letter; ``math`` over ``$LETTER`` gives non-zero where it fires."""

    uid: str
    title: str
    queries: Mapping[str, Query]
    math: str
    summary: str
    severity: Literal["info", "warning", "critical"]
    hold: str
    board: str
    panel: int
    interval: str = "1m"
    advice: str = ""
    on_error: Literal["KeepLast", "Alerting"] = "KeepLast"
    settled: bool = True
    """Only for hosts whose collector already wrote ten minutes ago: a start is no incident."""
    labels: Mapping[str, str] = field(default_factory=dict)


def _bps(field_name: str, measurement: str, by: Sequence[str], seconds: int, where: str = "") -> str:
    tags = ", ".join(f'"{tag}"' for tag in by)
    condition = f"{where} AND $timeFilter" if where else "$timeFilter"
    return f'SELECT sum("{field_name}") * 8 / {seconds} FROM "{measurement}" WHERE {condition} GROUP BY {tags}'


def _both(measurement: str, by: Sequence[str], seconds: int) -> str:
    tags = ", ".join(f'"{tag}"' for tag in by)
    total = f'(sum("rx_bytes") + sum("tx_bytes")) * 8 / {seconds}'
    return f'SELECT {total} FROM "{measurement}" WHERE $timeFilter GROUP BY {tags}'


def _over_budget(direction: str, field_name: str, panel: int) -> Alert:
    return Alert(
        uid=f"autoqos-over-budget-{direction}",
        title=f"Application over its budget ({direction})",
        queries={
            "A": Query(_bps(field_name, "app_traffic", ("host", "app"), 300), "last"),
            "L": Query(
                f'SELECT last("{direction}_bps") FROM "app_limit" WHERE "active" = 1 AND $timeFilter GROUP BY "host", "app"',
                "last",
                from_s=60,
            ),
        },
        math=f"$A > $L * {t.OVER_BUDGET_RATIO}",
        summary=f"{{{{ $labels.app }}}} on {{{{ $labels.host }}}} moves {{{{ humanize $values.A.Value }}}}bit/s {direction}, "
        f"its limit is {{{{ humanize $values.L.Value }}}}bit/s",
        severity="warning",
        hold="2m",
        board="autoqos-app",
        panel=panel,
    )


def _saturation(direction: str, field_name: str, panel: int) -> tuple[Alert, Alert]:
    capacity = Query(
        f'SELECT last("{direction}_bps") FROM "link" WHERE $timeFilter GROUP BY "host"', "last", from_s=3600
    )
    now = Alert(
        uid=f"autoqos-saturation-{direction}",
        title=f"Link saturated ({direction})",
        queries={"A": Query(_bps(field_name, "host_traffic", ("host",), 300), "last"), "C": capacity},
        math=f"$A > $C * {t.SATURATION_RATIO}",
        summary=f"{{{{ $labels.host }}}} uses {{{{ humanize $values.A.Value }}}}bit/s {direction} of "
        "{{ humanize $values.C.Value }}bit/s",
        severity="warning",
        hold="5m",
        board="autoqos-overview",
        panel=panel,
    )
    later = Alert(
        uid=f"autoqos-saturation-{direction}-predicted",
        title=f"Link saturation predicted ({direction})",
        queries={
            "F": Query(
                f'SELECT max("upper") FROM "forecast" WHERE "series" = \'host_{direction}\' '
                'AND time >= now() AND time < now() + 2h GROUP BY "host"',
                "last",
            ),
            "C": capacity,
        },
        math=f"$F > $C * {t.SATURATION_RATIO}",
        summary=f"{{{{ $labels.host }}}} may reach {{{{ humanize $values.F.Value }}}}bit/s {direction} within two hours, "
        "the link has {{ humanize $values.C.Value }}bit/s",
        severity="info",
        hold="0s",
        board="autoqos-forecast",
        panel=1 if direction == "down" else 2,
        interval="5m",
    )
    return now, later


ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        uid="autoqos-latency-high",
        title="High latency",
        queries={
            "A": Query(
                'SELECT mean("rtt_ms") FROM "probe" WHERE $timeFilter GROUP BY time(1m), "host", "target" fill(none)',
                "mean",
            )
        },
        math=f"$A > {t.LATENCY_MS}",
        summary='{{ $labels.target }} answers {{ $labels.host }} in {{ printf "%.0f" $values.A.Value }} ms',
        severity="warning",
        hold="3m",
        board="autoqos-quality",
        panel=1,
    ),
    Alert(
        uid="autoqos-packet-loss",
        title="Packet loss",
        queries={"A": Query('SELECT 1 - mean("ok") FROM "probe" WHERE $timeFilter GROUP BY "host", "target"', "last")},
        math=f"$A > {t.LOSS_RATIO}",
        summary="{{ $labels.host }} loses {{ humanizePercentage $values.A.Value }} of its echoes to {{ $labels.target }}",
        severity="warning",
        hold="3m",
        board="autoqos-quality",
        panel=4,
    ),
    Alert(
        uid="autoqos-bandwidth-drop",
        title="Bandwidth far below the usual",
        queries={
            "A": Query(_bps("rx_bytes", "host_traffic", ("host",), 3600), "last", from_s=3600),
            "U": Query(_bps("rx_bytes", "host_traffic", ("host",), 3600), "last", from_s=DAY + 3600, to_s=DAY),
        },
        math=f"$U > {t.DROP_MIN_BPS} && $A < $U * {t.DROP_RATIO}",
        summary="{{ $labels.host }} receives {{ humanize $values.A.Value }}bit/s this hour, "
        "yesterday it was {{ humanize $values.U.Value }}bit/s",
        severity="info",
        hold="15m",
        board="autoqos-overview",
        panel=10,
        interval="5m",
    ),
    _over_budget("down", "rx_bytes", 10),
    _over_budget("up", "tx_bytes", 11),
    Alert(
        uid="autoqos-lag",
        title="Lag made by an application",
        queries={
            "I": Query(
                'SELECT max("extra_ms") FROM "lag_incident" WHERE "running" = 1 AND "cause" = \'application\' AND $timeFilter '
                'GROUP BY "host"',
                "last",
                from_s=3600,
            ),
            "S": Query(_both("app_traffic", ("host", "app"), 120), "last", from_s=120),
            "T": Query(_both("host_traffic", ("host",), 120), "last", from_s=120),
        },
        math=f"$I > 0 && $S > {t.BLAME_MIN_BPS} && $S > $T * {t.BLAME_SHARE_RATIO}",
        summary='{{ $labels.app }} makes {{ $labels.host }} wait {{ printf "%.0f" $values.I.Value }} ms longer: it moves '
        "{{ humanize $values.S.Value }}bit/s of {{ humanize $values.T.Value }}bit/s",
        advice="`autoqos set {{ $labels.app }} 5` lowers its priority, `autoqos limit {{ $labels.app }} --up 2mbit` limits it.",
        severity="warning",
        hold="1m",
        board="autoqos-quality",
        panel=8,
    ),
    *_saturation("down", "rx_bytes", 10),
    *_saturation("up", "tx_bytes", 11),
    Alert(
        uid="autoqos-outside-band",
        title="Bandwidth outside the forecast band",
        queries={
            "A": Query(_bps("rx_bytes", "host_traffic", ("host",), 900), "last", from_s=900),
            "U": Query(
                'SELECT max("upper") FROM "forecast" WHERE "series" = \'host_down\' AND $timeFilter GROUP BY "host"',
                "last",
                from_s=900,
            ),
            "L": Query(
                'SELECT min("lower") FROM "forecast" WHERE "series" = \'host_down\' AND $timeFilter GROUP BY "host"',
                "last",
                from_s=900,
            ),
        },
        math="$A > $U || $A < $L",
        summary="{{ $labels.host }} receives {{ humanize $values.A.Value }}bit/s, expected were "
        "{{ humanize $values.L.Value }} to {{ humanize $values.U.Value }}bit/s",
        severity="info",
        hold="15m",
        board="autoqos-forecast",
        panel=1,
        interval="5m",
    ),
    Alert(
        uid="autoqos-forecast-error",
        title="Forecast error grown",
        queries={
            "A": Query(
                'SELECT last("mase") FROM "forecast_score" WHERE "published" = 1 AND $timeFilter GROUP BY "host", "series", "model"',
                "last",
                from_s=3 * 3600,
            )
        },
        math=f"$A > {t.MASE}",
        summary='the forecast of {{ $labels.series }} on {{ $labels.host }} errs {{ printf "%.1f" $values.A.Value }} times '
        "as much as the naive one ({{ $labels.model }})",
        severity="info",
        hold="0s",
        board="autoqos-forecast",
        panel=4,
        interval="5m",
    ),
    Alert(
        uid="autoqos-agent-silent",
        title="Agent silent",
        queries={"A": Query(beats_query(), "last")},
        math="$A < 1",
        summary="no heartbeat of the collector on {{ $labels.host }} for at least five minutes",
        advice="Is the computer on? Then `autoqos status` there. The alert ends when it is back, when its points are deleted, "
        "or 30 days after its last one.",
        severity="critical",
        hold="3m",
        board="autoqos-fleet",
        panel=10,
        settled=False,
    ),
    Alert(
        uid="autoqos-database-away",
        title="Database away",
        queries={
            "A": Query('SELECT count("rss_bytes") FROM "agent" WHERE $timeFilter', "last", from_s=60),
        },
        math="$A < 0",
        summary="InfluxDB does not answer Grafana: no dashboard and no other alert works until it does",
        advice="`docker compose ps` and `docker compose logs influxdb`. Nothing is lost: the agents keep their points.",
        severity="critical",
        hold="2m",
        board="autoqos-health",
        panel=10,
        on_error="Alerting",
        settled=False,
    ),
    Alert(
        uid="autoqos-coverage-low",
        title="Coverage low",
        queries={
            "A": Query(
                'SELECT (sum("unattributed_rx_bytes") + sum("unattributed_tx_bytes")) / (sum("rx_bytes") + sum("tx_bytes")) '
                'FROM "host_traffic" WHERE $timeFilter GROUP BY "host"',
                "last",
                from_s=900,
            ),
            "B": Query(
                'SELECT sum("rx_bytes") + sum("tx_bytes") FROM "host_traffic" WHERE $timeFilter GROUP BY "host"',
                "last",
                from_s=900,
            ),
        },
        math=f"$B > {t.UNATTRIBUTED_MIN_BYTES} && $A > {t.UNATTRIBUTED_RATIO}",
        summary="{{ humanizePercentage $values.A.Value }} of the bytes of {{ $labels.host }} belong to no known application",
        severity="warning",
        hold="10m",
        board="autoqos-health",
        panel=14,
    ),
    Alert(
        uid="autoqos-points-lost",
        title="Points or packets lost",
        queries={
            "A": Query(
                'SELECT sum("points_dropped") + sum("capture_lost") FROM "agent" WHERE $timeFilter GROUP BY "host", "part"',
                "last",
                from_s=600,
            )
        },
        math="$A > 0",
        summary='{{ $labels.part }} on {{ $labels.host }} lost {{ printf "%.0f" $values.A.Value }} points or packets in 10 minutes',
        severity="warning",
        hold="0s",
        board="autoqos-health",
        panel=2,
    ),
)


SETTLED: Final = Query(
    'SELECT count("rss_bytes") FROM "agent" WHERE "part" = \'collector\' AND $timeFilter GROUP BY "host"',
    "last",
    from_s=3600,
    to_s=600,
)


def _query_node(ref: str, query: Query) -> dict[str, Any]:
    return {
        "refId": f"{ref}_q",
        "datasourceUid": UID,
        "relativeTimeRange": {"from": query.from_s, "to": query.to_s},
        "model": {
            "refId": f"{ref}_q",
            "rawQuery": True,
            "resultFormat": "time_series",
            "query": query.text,
            "intervalMs": 60_000,
            "maxDataPoints": 43_200,
        },
    }


def _expression(ref: str, model: Mapping[str, Any]) -> dict[str, Any]:
    return {"refId": ref, "datasourceUid": "__expr__", "model": {"refId": ref, **model}}


def rule(alert: Alert) -> dict[str, Any]:
    """One rule as the provisioning file wants it."""
    queries = {**alert.queries, "O": SETTLED} if alert.settled else alert.queries
    condition = f"({alert.math}) && ($O > 0)" if alert.settled else alert.math
    section = runbooks.sections()[alert.uid.removeprefix("autoqos-")]
    data = [_query_node(ref, query) for ref, query in queries.items()]
    data += [
        _expression(
            ref,
            {"type": "reduce", "expression": f"{ref}_q", "reducer": query.reducer, "settings": {"mode": "dropNN"}},
        )
        for ref, query in queries.items()
    ]
    data.append(_expression("fires", {"type": "math", "expression": condition}))
    data.append(
        _expression(
            "condition",
            {"type": "threshold", "expression": "fires", "conditions": [{"evaluator": {"type": "gt", "params": [0]}}]},
        )
    )
    return {
        "uid": alert.uid,
        "title": alert.title,
        "condition": "condition",
        "for": alert.hold,
        "noDataState": "OK",
        "execErrState": alert.on_error,
        "dashboardUid": alert.board,
        "panelId": alert.panel,
        "labels": {"severity": alert.severity, "team": "autoqos", **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "description": alert.advice or section.advice,
            "runbook_url": f"{{{{ externalURL }}}}d/{runbooks.UID}?viewPanel={section.panel}",
            "__dashboardUid__": alert.board,
            "__panelId__": str(alert.panel),
        },
        "data": data,
    }


def provisioning() -> dict[str, Any]:
    """The whole file: one group per evaluation interval."""
    intervals = sorted({alert.interval for alert in ALERTS})
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": f"autoqos-{interval}",
                "folder": FOLDER,
                "interval": interval,
                "rules": [rule(alert) for alert in ALERTS if alert.interval == interval],
            }
            for interval in intervals
        ],
    }
