"""Overview: the home dashboard. Is it fine now, who uses the line, what is limited, what comes?"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard, table, timeseries

from grafana.generate.parts import thresholds as t
from grafana.generate.parts.annotations import lag_marks, limit_marks
from grafana.generate.parts.board import base, top
from grafana.generate.parts.influxql import (
    BEYOND,
    HOST,
    LOST,
    NOT_TOP,
    SENT,
    TOP,
    Target,
    mean,
    over_time,
    rate_bps,
    raw,
    recent,
    totals,
)
from grafana.generate.parts.panels import (
    band,
    colored,
    gauged,
    number,
    opening,
    option,
    rows,
    series,
    styled,
    with_outages,
)
from grafana.generate.parts.presence import outages

UID: Final = "autoqos-overview"
LATENCY: Final = ((None, "green"), (t.LATENCY_WARN_MS, "yellow"), (t.LATENCY_MS, "red"))
LOSS: Final = ((None, "green"), (t.LOSS_WARN_RATIO, "yellow"), (t.LOSS_RATIO, "red"))
COVERAGE: Final = ((None, "red"), (1 - t.UNATTRIBUTED_RATIO, "yellow"), (1 - t.UNATTRIBUTED_RATIO / 2, "green"))
CAUSE_WORDS: Final = {
    "type": "value",
    "options": {
        "local_network": {"text": "local network"},
        "others": {"text": "others on the line"},
        "own_limit": {"text": "a limit of ours"},
        "target": {"text": "one target"},
        "unnamed": {"text": "unknown traffic"},
    },
}
"""The detector's verdicts as a reader says them; the rest are words already."""
APP_URL: Final = "/d/autoqos-app?${host:queryparam}&var-app=${__data.fields.Application}&${__url_time_range}"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(
        UID, "AutoQoS · Overview", "Is it fine now, who uses the line, what is limited, what comes?", start="now-1h"
    )
    board.with_variable(top())
    board.annotation(lag_marks([10, 11, 20])).annotation(limit_marks([10, 11]))
    _numbers(board)
    board.with_panel(stacked("Who uses the line: received", "rx_bytes", 14).id(10))
    board.with_panel(_next_hours())
    board.with_panel(_targets())
    board.with_panel(incidents(8, 8, brief=True).id(24))
    board.with_panel(_limits())
    board.with_panel(_alerts())
    board.with_panel(_top_table())
    board.with_panel(stacked("Sent", "tx_bytes", 12).id(11))
    board.with_panel(
        series(
            "Round-trip time per target",
            "Mean echo round-trip time. Dashed: where the latency alert fires.",
            "ms",
            over_time(mean("rtt_ms"), "probe", by=("host", "target"), alias="$tag_host $tag_target"),
            thresholds=LATENCY,
        ).id(20)
    )
    board.with_panel(
        series(
            "Received per host",
            "Every interface together, per host. A gap means that the agent did not run; where it ran for a part of a wide "
            "window, a dip.",
            "bps",
            over_time(rate_bps("rx_bytes"), "host_traffic", alias="$tag_host"),
        ).id(12)
    )
    return board


def stacked(title: str, field: str, width: int) -> timeseries.Panel:
    """The largest applications of the range and all others, stacked to the sum."""
    panel = series(
        title,
        "Bits per second by application: the eight largest of the range, all others as one. Grey: a "
        "host was not measured, as high as the share of the window; darker: several.",
        "bps",
        [
            *over_time(rate_bps(field), "app_traffic", (HOST, TOP), ("app",), alias="$tag_app", fill="0"),
            *over_time(rate_bps(field), "app_traffic", (HOST, NOT_TOP), (), alias="other", fill="0"),
        ],
        width=width,
        stack=True,
        legend="top",
    )
    panel.override_by_name("other", [option("color", {"mode": "fixed", "fixedColor": "gray"})])
    return with_outages(panel, outages())


def _numbers(board: dashboard.Dashboard) -> None:
    for panel_id, title, field in ((1, "Down now", "rx_bytes"), (2, "Up now", "tx_bytes")):
        now = recent(f'sum("{field}") * 8 / 60', "host_traffic", 60)
        board.with_panel(
            number(title, "The chosen hosts together, mean of the last whole minute.", "bps", [now]).id(panel_id)
        )
    board.with_panel(
        number(
            "Latency",
            "Median round-trip time of the last minute, over hosts and targets but the gateway.",
            "ms",
            [recent('median("rtt_ms")', "probe", 60, (HOST, BEYOND))],
            thresholds=LATENCY,
            decimals=0,
            url="/d/autoqos-quality?${host:queryparam}&${__url_time_range}",
        ).id(3)
    )
    board.with_panel(
        number(
            "Loss",
            "Share of the last five minutes' echoes without an answer, the gateway's left out.",
            "percentunit",
            [recent(LOST.raw, "probe", 300, (HOST, BEYOND, SENT))],
            thresholds=LOSS,
            decimals=1,
        ).id(4)
    )
    board.with_panel(
        number(
            "Lag incidents",
            "Episodes of lag that began within the range. Their causes are in the table below.",
            "short",
            [Target(f'SELECT count("extra_ms") FROM "lag_incident" WHERE {HOST} AND $timeFilter')],
            thresholds=((None, "green"), (1, "yellow"), (5, "red")),
            no_value="0",
        ).id(7)
    )
    limited = 'SELECT sum("on") FROM (SELECT last("active") AS "on" FROM "app_limit" WHERE '
    board.with_panel(
        number(
            "Limited now",
            "Applications with a limit in force in the last two minutes.",
            "short",
            [Target(f'{limited}{HOST} AND time > now() - 2m GROUP BY "host", "app")')],
            thresholds=((None, "text"), (1, "orange")),
            no_value="0",
        ).id(6)
    )
    board.with_panel(
        number(
            "Coverage",
            "Share of the last hour's bytes for which an application is known. The rest is shown as unattributed.",
            "percentunit",
            [
                recent(
                    '1 - (sum("unattributed_rx_bytes") + sum("unattributed_tx_bytes")) / (sum("rx_bytes") + sum("tx_bytes"))',
                    "host_traffic",
                    3600,
                )
            ],
            thresholds=COVERAGE,
            decimals=0,
            url="/d/autoqos-health?${host:queryparam}&${__url_time_range}",
        ).id(5)
    )
    alive = 'SELECT count("beats") FROM (SELECT count("rss_bytes") AS "beats" FROM "agent" WHERE '
    board.with_panel(
        number(
            "Agents",
            "Hosts whose collector wrote in the last five minutes.",
            "short",
            [Target(f'{alive}{HOST} AND "part" = \'collector\' AND time > now() - 5m GROUP BY "host")')],
            thresholds=((None, "red"), (1, "green")),
            no_value="none: start `autoqos up`",
            url="/d/autoqos-fleet",
        ).id(8)
    )


def _targets() -> table.Panel:
    by = ("host", "target")
    usual = Target(
        'SELECT sum("rtt_ms_sum") / sum("rtt_ms_n") AS "usual" FROM "1h"."probe" '
        f'WHERE {HOST} AND time > now() - 7d GROUP BY "host", "target"'
    )
    panel = rows(
        "Targets against their usual",
        "Median of the last five minutes, the mean of the last seven days, and echoes lost in the last five minutes.",
        [
            recent('median("rtt_ms") AS "now"', "probe", 300, by=by),
            recent(LOST.named("loss").raw, "probe", 300, (HOST, SENT), by),
            usual,
        ],
        columns={
            "target": ("Target", ""),
            "now": ("Now", "ms"),
            "usual": ("Usual", "ms"),
            "loss": ("Loss", "percentunit"),
            "host": ("Host", ""),
        },
        sort_by="Now",
        width=6,
        height=8,
        widths={"Target": 108, "Now": 62, "Usual": 62, "Loss": 56},
    )
    for column in ("Now", "Usual"):
        panel.override_by_name(column, [option("decimals", 0)])
    return colored(colored(panel, "Now", LATENCY), "Loss", LOSS).id(26)


def incidents(width: int, height: int, *, brief: bool = False) -> table.Panel:
    """Lag incidents with their cause, newest first; ``brief``: one column names the application or else the cause."""
    # Two targets: Grafana's server takes a text column that begins with an absent value for numbers, and fails.
    fields = '"host", "extra_ms", "duration_s"' + ("" if brief else ', "cause", "evidence"')
    by, other = ('"app" AS "by", ', '"cause" AS "by", ') if brief else ('"app", ', "")
    named = {"by": ("Caused by", "")} if brief else {"app": ("By", ""), "cause": ("Cause", "")}
    widths = {"Caused by": 130} if brief else {"By": 110, "Cause": 110, "Host": 90}
    panel = rows(
        "Lag incidents and their cause",
        "When the line became slow, who made it, by how much and for how long.",
        [
            raw(f"{by}{fields}", "lag_incident", (HOST, "\"cause\" = 'application'"), 100),
            raw(f"{other}{fields}", "lag_incident", (HOST, "\"cause\" != 'application'"), 100),
        ],
        columns={
            **named,
            "extra_ms": ("Added", "ms"),
            "duration_s": ("Lasted", "s"),
            "host": ("Host", ""),
            **({} if brief else {"evidence": ("Evidence", "")}),
        },
        sort_by="Time",
        width=width,
        height=height,
        keep_time=True,
        widths={"Time": 98, "Added": 72, "Lasted": 76} | widths,
        empty="no lag in this range",
    )
    panel.override_by_name("Time", [option("unit", "time:MM-DD HH:mm")])
    panel.override_by_name("Added", [option("decimals", 0)]).override_by_name("Lasted", [option("decimals", 0)])
    panel.override_by_name("Caused by" if brief else "Cause", [option("mappings", [CAUSE_WORDS])])
    return panel


def _limits() -> table.Panel:
    window = (
        'SELECT last("active") AS "active", last("down_bps") AS "down", last("up_bps") AS "up" '
        f'FROM "app_limit" WHERE {HOST} AND time > now() - 2m GROUP BY "host", "app"'
    )
    panel = rows(
        "Limits in force",
        "Limits of the last two minutes that have not ended. Why: `autoqos why APP`, or the events of Agent health.",
        [Target(f'SELECT "down", "up" FROM ({window}) WHERE "active" = 1 GROUP BY "host", "app"')],
        columns={
            "app": ("Application", ""),
            "down": ("Down", "bps"),
            "up": ("Up", "bps"),
            "host": ("Host", ""),
        },
        sort_by="Down",
        width=6,
        height=8,
        widths={"Application": 110, "Down": 88, "Up": 84},
        empty="nothing is limited now",
    )
    return opening(panel, "Application", "Open the application", APP_URL).id(22)


def _alerts() -> dashboard.Panel:
    return (
        dashboard.Panel()
        .type("alertlist")
        .title("Firing alerts")
        .description("AutoQoS alerts that fire or are about to. Found by their label, not by their folder.")
        .id(23)
        .span(4)
        .height(8)
        .options(
            {
                "viewMode": "list",
                "groupMode": "default",
                "groupBy": [],
                "maxItems": 20,
                "sortOrder": 3,
                "dashboardAlerts": False,
                "alertName": "",
                "alertInstanceLabelFilter": '{team="autoqos"}',
                "stateFilter": {"firing": True, "pending": True, "noData": False, "error": True, "normal": False},
            }
        )
    )


def _next_hours() -> timeseries.Panel:
    """The published forecast from now on: every host's newest value of each five minutes, added up."""
    columns = (("value", "expected"), ("lower", "lower"), ("upper", "upper"))
    targets = [
        Target(
            f'SELECT sum("v") FROM (SELECT last("{column}") AS "v" FROM "forecast" WHERE {HOST} AND '
            f'"series" = \'host_{name}\' AND time >= now() - 5m AND time < now() + 6h GROUP BY time(5m), "host" fill(none)) '
            "WHERE time >= now() - 5m AND time < now() + 6h GROUP BY time(5m) fill(none)",
            f"{name} {alias}",
        )
        for name in ("down", "up")
        for column, alias in columns
    ]
    panel = series(
        "The next hours",
        "The published forecast of the next six hours with its 80 % band, whatever the dashboard's range.",
        "bps",
        targets,
        width=10,
        empty="no forecast yet: the first one comes after a day of data",
    )
    panel.time_from("+6h").hide_time_override(True).interval("5m").id(25)
    for name, color in (("down", "blue"), ("up", "purple")):
        styled(band(panel, name, color), f"/^{name} expected$/", color)
    return panel


def _top_table() -> table.Panel:
    fields = {"rx": 'sum("rx_bytes")', "tx": 'sum("tx_bytes")', "flows": 'max("flows")'}
    panel = rows(
        "Applications over the range",
        "Bytes of every application, the largest first. A click on a name opens it. Flows: the most at once, up to 180 days.",
        totals(fields, "app_traffic", by=("host", "app"), not_of_years=("flows",)),
        columns={
            "app": ("Application", ""),
            "host": ("Host", ""),
            "rx": ("Received", "bytes"),
            "tx": ("Sent", "bytes"),
            "flows": ("Flows", "short"),
        },
        sort_by="Received",
        width=12,
    )
    gauged(gauged(panel, "Received", "blue"), "Sent", "purple")
    return opening(panel, "Application", "Open ${__data.fields.Application}", APP_URL).id(13)
