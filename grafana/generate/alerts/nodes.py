"""What a rule is, and the nodes that Grafana wants for it: queries → reduce → math → threshold.

InfluxDB returns no series when there is nothing to say, so "no data" is fine for every rule; who is silent is asked for
by name. When InfluxDB is away, one rule says so and all others keep their state (docs/decisions/0082). ``$`` rules of
provisioning: labels would be interpolated and use ``$$``; annotations and query models are taken as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from grafana.generate.boards import runbooks
from grafana.generate.parts.influxql import UID

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
