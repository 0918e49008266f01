"""The alert rules: what must hold for how long, and the words that say who and what."""

from collections.abc import Sequence
from typing import Any, Final

from grafana.generate.alerts.nodes import Alert, Query, rule
from grafana.generate.boards.fleet import beats_query
from grafana.generate.parts import thresholds as t
from grafana.generate.parts.influxql import LOST, SENT

FOLDER: Final = "AutoQoS"
DAY: Final = 86_400


def _bps(field_name: str, measurement: str, by: Sequence[str], seconds: int, where: str = "") -> str:
    tags = ", ".join(f'"{tag}"' for tag in by)
    condition = f"{where} AND $timeFilter" if where else "$timeFilter"
    return f'SELECT sum("{field_name}") * 8 / {seconds} FROM "{measurement}" WHERE {condition} GROUP BY {tags}'


CAUSES: Final = (
    ("application", "made by an application of this computer: the alert “Lag made by an application” names it"),
    ("unnamed", "made by traffic of this computer that nobody could be named for"),
    ("others", "made by another device on the line, or by the provider"),
    ("provider", "made by the provider: nothing behind the gateway answers"),
    ("local_network", "made on this side of the gateway: Wi-Fi, cable, router"),
    ("target", "only this target is slow"),
    ("own_limit", "made by a limit that AutoQoS holds"),
)
"""The detector's verdicts in words, the one to be told first first; their numbers in the query fall to 1. 0: none is known."""


def _cause_number() -> str:
    """Which verdict runs on each host: labels come from tags, so a cause reaches another alert's text as a number."""
    known = [
        f'(SELECT 0 * count("extra_ms") + {number} AS "k" FROM "lag_cause" WHERE "cause" = \'{cause}\' '
        'AND time > now() - 2m GROUP BY "host")'
        for number, (cause, _) in _numbered()
    ]
    # A query without any row would make the whole rule one without data: every living host has its 0.
    alive = '(SELECT 0 * count("rss_bytes") AS "k" FROM "agent" WHERE time > now() - 5m GROUP BY "host")'
    return f'SELECT max("k") FROM {", ".join([alive, *known])} GROUP BY "host"'


def _numbered() -> list[tuple[int, tuple[str, str]]]:
    return list(zip(range(len(CAUSES), 0, -1), CAUSES, strict=True))


def _cause_words() -> str:
    """A template that says the cause; ``index`` gives 0 where a host has none, a field of ``$values`` would fail."""
    number = '(index $values "K").Value'
    first, *rest = (f"eq {number} {index}.0 }}}}{words}" for index, (_, words) in _numbered())
    chain = "".join(f"{{{{ else if {case}" for case in rest)
    return f"{{{{ if {first}{chain}{{{{ else }}}}its cause is not known{{{{ end }}}}"


def _over_budget(direction: str, field_name: str, panel: int) -> Alert:
    return Alert(
        uid=f"autoqos-over-budget-{direction}",
        title=f"Application over its budget ({direction})",
        queries={
            "A": Query(_bps(field_name, "app_traffic", ("host", "app"), 120), "last", from_s=120),
            # The largest of five minutes: the control loop moves limits every second.
            "L": Query(
                f'SELECT max("{direction}_bps") FROM "app_limit" WHERE "active" = 1 AND $timeFilter GROUP BY "host", "app"',
                "last",
                from_s=300,
            ),
        },
        math=f"$A > $L * {t.OVER_BUDGET_RATIO}",
        summary=f"{{{{ $labels.app }}}} on {{{{ $labels.host }}}} moves {{{{ humanize $values.A.Value }}}}bit/s {direction}, "
        f"its limit is {{{{ humanize $values.L.Value }}}}bit/s",
        severity="warning",
        hold="3m",
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
            ),
            "K": Query(_cause_number(), "last"),
        },
        math=f"$A > {t.LATENCY_MS}",
        summary='{{ $labels.target }} answers {{ $labels.host }} in {{ printf "%.0f" $values.A.Value }} ms; '
        + _cause_words(),
        severity="warning",
        hold="3m",
        board="autoqos-quality",
        panel=1,
    ),
    Alert(
        uid="autoqos-packet-loss",
        title="Packet loss",
        queries={
            "A": Query(f'SELECT {LOST.raw} FROM "probe" WHERE {SENT} AND $timeFilter GROUP BY "host", "target"', "last")
        },
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
                'SELECT max("extra_ms") FROM "lag_cause" WHERE "cause" = \'application\' AND $timeFilter GROUP BY "host", "app"',
                "last",
                from_s=120,
            ),
        },
        math="$I > 0",
        summary='{{ $labels.app }} makes {{ $labels.host }} wait {{ printf "%.0f" $values.I.Value }} ms longer than its idle '
        "line does",
        advice="`autoqos set {{ $labels.app }} 5` lowers its priority, `autoqos limit {{ $labels.app }} --down 5mbit --up 2mbit` limits it.",
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
