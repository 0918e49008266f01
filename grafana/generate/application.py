"""Application: everything about one application (or a few) on one time axis."""

from grafana_foundation_sdk.builders import dashboard

from grafana.generate import thresholds as t
from grafana.generate.influxql import APP, HOST, Target, over_range, over_time, rate_bps
from grafana.generate.panels import base, dashed, number, series, variable

UID = "autoqos-app"
BY = ("host", "app")
BOTH = (HOST, APP)
NAME = "$tag_host $tag_app"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Application", "Traffic, limits, queue and resources of the chosen applications.")
    board.with_variable(variable("host", "host_traffic", "Host"))
    board.with_variable(variable("app", "app_traffic", "Application", HOST))
    for panel_id, title, field in ((1, "Received", "rx_bytes"), (2, "Sent", "tx_bytes")):
        board.with_panel(
            number(
                title,
                "Over the range, all chosen applications together.",
                "bytes",
                Target(over_range(f'sum("{field}")', "app_traffic", BOTH, ())),
                width=6,
            ).id(panel_id)
        )
    board.with_panel(
        number(
            "Delayed packets",
            "Packets that waited in a queue of the enforcer, over the range.",
            "short",
            Target(over_range('sum("delayed_packets")', "app_limit", BOTH, ())),
            width=6,
            no_value="0",
        ).id(3)
    )
    board.with_panel(
        number(
            "Priority",
            "The level now: 0 critical to 5 background.",
            "short",
            Target(over_range('last("priority")', "app_traffic", BOTH, ())),
            width=6,
        ).id(4)
    )
    for panel_id, name, field in ((10, "down", "rx_bytes"), (11, "up", "tx_bytes")):
        panel = series(
            f"Traffic {name} and its limit",
            "The application's rate; dashed: the limit in force.",
            "bps",
            [
                Target(over_time(rate_bps(field), "app_traffic", BOTH, BY), NAME),
                Target(over_time(f'last("{name}_bps")', "app_limit", BOTH, BY), f"{NAME} limit"),
            ],
        ).id(panel_id)
        board.with_panel(dashed(panel, "/ limit$/", "red"))
    board.with_panel(
        series(
            "Queue delay",
            "Longest time that a packet of the application waited in the enforcer.",
            "ms",
            [Target(over_time('max("queue_ms")', "app_limit", BOTH, BY), NAME)],
            thresholds=((None, "green"), (t.QUEUE_MS, "red")),
        ).id(12)
    )
    board.with_panel(
        series(
            "Dropped packets",
            "Packets that active queue management or a full queue dropped, per interval.",
            "short",
            [Target(over_time('sum("dropped_packets")', "app_limit", BOTH, BY), NAME)],
        ).id(13)
    )
    board.with_panel(
        series(
            "CPU",
            "Percent of one core, all processes of the application.",
            "percent",
            [Target(over_time('mean("cpu_percent")', "app_resources", BOTH, BY), NAME)],
        ).id(14)
    )
    board.with_panel(
        series(
            "Memory",
            "Resident memory, all processes of the application.",
            "bytes",
            [Target(over_time('mean("rss_bytes")', "app_resources", BOTH, BY), NAME)],
        ).id(15)
    )
    board.with_panel(
        series(
            "Share of the host",
            "The chosen applications stacked under all traffic of their hosts; the gap is everyone else.",
            "bps",
            [
                Target(
                    over_time('(sum("rx_bytes") + sum("tx_bytes")) * 8000 / $__interval_ms', "app_traffic", BOTH, BY),
                    NAME,
                ),
                Target(
                    over_time('(sum("rx_bytes") + sum("tx_bytes")) * 8000 / $__interval_ms', "host_traffic"),
                    "$tag_host total",
                ),
            ],
            width=24,
        ).id(16)
    )
    return board
