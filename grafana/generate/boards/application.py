"""Application: everything about one application, or the largest of the chosen ones, on one time axis."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard

from grafana.generate.parts import thresholds as t
from grafana.generate.parts.annotations import lag_marks, limit_marks
from grafana.generate.parts.board import base, top, variable
from grafana.generate.parts.influxql import (
    APP,
    HOST,
    LIMITED,
    TOP,
    Target,
    both_bps,
    largest,
    mean,
    newest,
    over_range,
    over_time,
    rate_bps,
    total,
    totals,
)
from grafana.generate.parts.panels import gauged, number, option, rows, series, styled, with_outages
from grafana.generate.parts.presence import outages

UID: Final = "autoqos-app"
BY: Final = ("host", "app")
BOTH: Final = (HOST, APP)
SHOWN: Final = (HOST, APP, TOP)
NAME: Final = "$tag_app"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(
        UID, "AutoQoS · Application", "Traffic, limits, queue and resources; of many, the eight largest are drawn."
    )
    board.with_variable(variable("app", "app_traffic", "Application", HOST))
    board.with_variable(top(APP))
    board.annotation(limit_marks([10, 11, 12], ' AND "subject" =~ /^$app$/')).annotation(lag_marks([10, 11, 12]))
    _numbers(board)
    for panel_id, name, field in ((10, "down", "rx_bytes"), (11, "up", "tx_bytes")):
        panel = series(
            f"Traffic {name} and its limit",
            "The rate; dashed: the limit, as long as it was in force. Grey: a host was not measured, as high as the share "
            "of the window; darker: several.",
            "bps",
            [
                *over_time(rate_bps(field), "app_traffic", SHOWN, ("app",), alias=NAME, fill="0"),
                *over_time(newest(f"{name}_bps"), "app_limit", (*SHOWN, LIMITED), ("app",), alias=f"{NAME} limit"),
            ],
        ).id(panel_id)
        board.with_panel(with_outages(styled(panel, "/ limit$/", "red", dashed=True, unlisted=True), outages()))
    share = series(
        "Share of the host",
        "The chosen applications stacked, both ways; the line is all traffic of their hosts, the gap is everyone else.",
        "bps",
        [
            *over_time(both_bps(), "app_traffic", SHOWN, ("app",), alias=NAME, fill="0"),
            *over_time(both_bps(), "host_traffic", by=(), alias="all traffic"),
        ],
        stack=True,
    ).id(16)
    board.with_panel(with_outages(styled(share, "/^all traffic$/", "text"), outages()))
    sums = totals({"rx": 'sum("rx_bytes")', "tx": 'sum("tx_bytes")'}, "app_traffic", BOTH, BY)
    table = rows(
        "The chosen applications",
        "Bytes over the range, the largest first, and the priority now: 0 critical to 5 background.",
        [*sums, *over_range(newest("priority").named("priority"), "app_traffic", BOTH, BY)],
        columns={
            "app": ("Application", ""),
            "host": ("Host", ""),
            "rx": ("Received", "bytes"),
            "tx": ("Sent", "bytes"),
            "priority": ("Priority", "none"),
        },
        sort_by="Received",
    )
    board.with_panel(gauged(gauged(table, "Received", "blue"), "Sent", "purple").id(17))
    board.with_panel(
        series(
            "Queue delay",
            "Longest time that a packet of the application waited in the enforcer.",
            "ms",
            over_time(largest("queue_ms"), "app_limit", SHOWN, ("app",), alias=NAME),
            thresholds=((None, "green"), (t.QUEUE_MS, "red")),
            empty="was never limited in this range",
        ).id(12)
    )
    board.with_panel(
        series(
            "Dropped packets",
            "Packets that active queue management or a full queue dropped, per interval.",
            "short",
            over_time(total("dropped_packets"), "app_limit", SHOWN, ("app",), alias=NAME),
            empty="was never limited in this range",
        ).id(13)
    )
    board.with_panel(
        series(
            "CPU",
            "Percent of one core, all processes of the application. Measured while it has traffic, and always for those of "
            "`resources_of`.",
            "percent",
            over_time(mean("cpu_percent"), "app_resources", SHOWN, ("app",), alias=NAME),
        ).id(14)
    )
    board.with_panel(
        series(
            "Memory",
            "Resident memory, all processes of the application; measured when its CPU is.",
            "bytes",
            over_time(mean("rss_bytes"), "app_resources", SHOWN, ("app",), alias=NAME),
        ).id(15)
    )
    return board


def _numbers(board: dashboard.Dashboard) -> None:
    for panel_id, title, field in ((1, "Received", "rx_bytes"), (2, "Sent", "tx_bytes")):
        board.with_panel(
            number(
                title,
                "Over the range, all chosen applications together.",
                "bytes",
                totals({"v": f'sum("{field}")'}, "app_traffic", BOTH, ()),
                width=6,
                no_value="no traffic",
            ).id(panel_id)
        )
    board.with_panel(
        number(
            "Delayed packets",
            "Packets that waited in a queue of the enforcer, over the range.",
            "short",
            totals({"v": 'sum("delayed_packets")'}, "app_limit", BOTH, ()),
            width=6,
            no_value="0",
        ).id(3)
    )
    limited = (
        'SELECT sum("on") FROM (SELECT last("active") AS "on" FROM "app_limit" WHERE '
        f'{HOST} AND {APP} AND time > now() - 2m GROUP BY "host", "app")'
    )
    panel = number(
        "Limited now",
        "How many of the chosen applications have a limit in force.",
        "short",
        [Target(limited)],
        thresholds=((None, "text"), (1, "orange")),
        width=6,
        no_value="0",
    )
    board.with_panel(panel.id(4).override_by_name("sum", [option("decimals", 0)]))
