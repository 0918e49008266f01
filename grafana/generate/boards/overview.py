"""Overview: the home dashboard. Is it fine now, who uses the line, what is limited, what comes?"""

from typing import Final

from grafana_foundation_sdk.builders import barchart, common, dashboard, table, timeseries
from grafana_foundation_sdk.models import common as commons

from grafana.generate.parts import thresholds as t
from grafana.generate.parts.annotations import lag_marks, limit_marks
from grafana.generate.parts.board import base, top
from grafana.generate.parts.influxql import (
    HOST,
    NOT_TOP,
    SOURCE,
    TOP,
    Target,
    largest,
    lettered,
    mean,
    outages,
    over_range,
    over_time,
    rate_bps,
    raw,
    recent,
    total,
)
from grafana.generate.parts.panels import colored, gauged, number, opening, option, rows, series, steps, with_outages

UID: Final = "autoqos-overview"
LATENCY: Final = ((None, "green"), (t.LATENCY_WARN_MS, "yellow"), (t.LATENCY_MS, "red"))
LOSS: Final = ((None, "green"), (t.LOSS_WARN_RATIO, "yellow"), (t.LOSS_RATIO, "red"))
COVERAGE: Final = ((None, "red"), (1 - t.UNATTRIBUTED_RATIO, "yellow"), (1 - t.UNATTRIBUTED_RATIO / 2, "green"))
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
    board.with_panel(incidents(8, 8).id(24))
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
            "Every interface together, per host. A gap means that the agent did not run.",
            "bps",
            over_time(rate_bps("rx_bytes"), "host_traffic", alias="$tag_host"),
        ).id(12)
    )
    return board


def stacked(title: str, field: str, width: int) -> timeseries.Panel:
    """The largest applications of the range and all others, stacked to the sum."""
    panel = series(
        title,
        "Bits per second by application: the eight largest of the range, all others as one. Grey: nothing was measured.",
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
            "Latency now",
            "Median round-trip time of the last minute, over hosts and targets.",
            "ms",
            [recent('median("rtt_ms")', "probe", 60)],
            thresholds=LATENCY,
            decimals=0,
            url="/d/autoqos-quality?${host:queryparam}&${__url_time_range}",
        ).id(3)
    )
    board.with_panel(
        number(
            "Loss",
            "Share of the last five minutes' echoes without an answer.",
            "percentunit",
            [recent('1 - sum("received") / sum("sent")', "probe", 300)],
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
            "Named",
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
            "Agents alive",
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
            recent('median("rtt_ms") AS "now", 1 - sum("received") / sum("sent") AS "loss"', "probe", 300, by=by),
            usual,
        ],
        columns={
            "target": ("Target", ""),
            "host": ("Host", ""),
            "now": ("Now", "ms"),
            "usual": ("Usual", "ms"),
            "loss": ("Loss", "percentunit"),
        },
        sort_by="Now",
        width=6,
        height=8,
        widths={"Target": 78, "Host": 68, "Now": 70, "Usual": 70, "Loss": 62},
    )
    return colored(colored(panel, "Now", LATENCY), "Loss", LOSS).id(26)


def incidents(width: int, height: int) -> table.Panel:
    """Lag incidents with their cause, newest first."""
    # Two targets: Grafana's server takes a text column that begins with an absent value for numbers, and fails.
    fields = '"host", "cause", "extra_ms", "duration_s", "evidence"'
    panel = rows(
        "Lag incidents and their cause",
        "When the line became slow, who made it, by how much and for how long.",
        [
            raw(f'"app", {fields}', "lag_incident", (HOST, "\"cause\" = 'application'"), 100),
            raw(fields, "lag_incident", (HOST, "\"cause\" != 'application'"), 100),
        ],
        columns={
            "app": ("By", ""),
            "cause": ("Cause", ""),
            "extra_ms": ("Added", "ms"),
            "duration_s": ("Lasted", "s"),
            "host": ("Host", ""),
            "evidence": ("Evidence", ""),
        },
        sort_by="Time",
        width=width,
        height=height,
        keep_time=True,
        widths={"Time": 165, "Added": 75, "Lasted": 80, "By": 80, "Cause": 95, "Host": 75},
        empty="no lag in this range",
    )
    return panel.override_by_name("By", [option("noValue", "–")])


def _limits() -> table.Panel:
    window = (
        'SELECT last("active") AS "active", last("down_bps") AS "down", last("up_bps") AS "up", last("reason") AS "reason" '
        f'FROM "app_limit" WHERE {HOST} AND time > now() - 2m GROUP BY "host", "app"'
    )
    panel = rows(
        "Limits in force",
        "Limits of the last two minutes that have not ended, and why.",
        [Target(f'SELECT "down", "up", "reason" FROM ({window}) WHERE "active" = 1 GROUP BY "host", "app"')],
        columns={
            "app": ("Application", ""),
            "host": ("Host", ""),
            "down": ("Down", "bps"),
            "up": ("Up", "bps"),
            "reason": ("Why", ""),
        },
        sort_by="Down",
        width=6,
        height=8,
        widths={"Application": 95, "Host": 70, "Down": 80, "Up": 80},
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


def _next_hours() -> barchart.Panel:
    targets = [
        Target(
            f'SELECT mean("value") AS "{name} expected", max("upper") AS "{name} at most" FROM "forecast" '
            f"WHERE {HOST} AND \"series\" = '{series_name}' AND time >= now() AND time < now() + 6h "
            "GROUP BY time(30m) fill(none)"
        )
        for name, series_name in (("down", "host_down"), ("up", "host_up"))
    ]
    panel = (
        barchart.Panel()
        .title("The next hours")
        .description("The published forecast per half hour: what is expected, and the upper edge of its 80 % band.")
        .id(25)
        .unit("bps")
        .datasource(SOURCE)
        .span(10)
        .height(8)
        .min(0)
        .no_value("no forecast yet: the first one comes after a day of data")
        .x_field("Time")
        .x_tick_label_spacing(100)
        .show_value(commons.VisibilityMode.NEVER)
        .thresholds(steps(((None, "blue"),)))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(commons.LegendDisplayMode.LIST)
            .placement(commons.LegendPlacement.BOTTOM)
        )
    )
    for target in lettered(targets, "table"):
        panel.with_target(target)
    for column, color in (
        ("down expected", "blue"),
        ("down at most", "light-blue"),
        ("up expected", "purple"),
        ("up at most", "light-purple"),
    ):
        panel.override_by_name(column, [option("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def _top_table() -> table.Panel:
    reading = (
        total("rx_bytes").named("rx")
        + total("tx_bytes").named("tx")
        + largest("processes").named("processes")
        + largest("flows").named("flows")
    )
    panel = rows(
        "Applications over the range",
        "Bytes of every application, the largest first. A click on a name opens it.",
        over_range(reading, "app_traffic", by=("host", "app")),
        columns={
            "app": ("Application", ""),
            "host": ("Host", ""),
            "rx": ("Received", "bytes"),
            "tx": ("Sent", "bytes"),
            "flows": ("Flows", "short"),
            "processes": ("Processes", "short"),
        },
        sort_by="Received",
        width=12,
    )
    gauged(gauged(panel, "Received", "blue"), "Sent", "purple")
    return opening(panel, "Application", "Open ${__data.fields.Application}", APP_URL).id(13)
