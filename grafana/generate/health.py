"""Agent health: is AutoQoS itself alive, complete and cheap?"""

from grafana_foundation_sdk.builders import dashboard

from grafana.generate import thresholds as t
from grafana.generate.influxql import HOST, Target, over_range, over_time, raw
from grafana.generate.panels import base, number, rows, series, unit, variable

UID = "autoqos-health"
BY = ("host", "part")
NAME = "$tag_host $tag_part"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Agent health", "Heartbeat, losses, outbox and the agent's own cost.")
    board.with_variable(variable("host", "agent", "Host"))
    losses = (
        (1, "Lost packets", "Packets that the capture knows it missed, over the range.", "capture_lost"),
        (2, "Dropped points", "Points that no store took, over the range.", "points_dropped"),
        (3, "Restarts", "Parts that the supervisor had to start again, over the range.", "restarts"),
    )
    for panel_id, title, description, field in losses:
        board.with_panel(
            number(
                title,
                description,
                "short",
                Target(over_range(f'sum("{field}")', "agent", by=())),
                thresholds=((None, "green"), (1, "red")),
                width=6,
            ).id(panel_id)
        )
    board.with_panel(
        number(
            "Outbox",
            "Rows that wait to be shipped to InfluxDB, the worst of the chosen hosts.",
            "short",
            Target(over_time('max("outbox_rows")', "agent", by=())),
            thresholds=((None, "green"), (t.OUTBOX_ROWS, "red")),
            width=6,
        ).id(4)
    )
    board.with_panel(
        series(
            "Heartbeat",
            "Rows written by each part per interval: a gap means that the part did not run.",
            "short",
            [Target(over_time('count("rss_bytes")', "agent", by=BY), NAME)],
        ).id(10)
    )
    board.with_panel(
        series(
            "Points written",
            "Points per interval and part.",
            "short",
            [Target(over_time('sum("points_written")', "agent", by=BY), NAME)],
        ).id(11)
    )
    board.with_panel(
        series(
            "CPU of the agent",
            "Percent of one core, per part.",
            "percent",
            [Target(over_time('mean("cpu_percent")', "agent", by=BY), NAME)],
        ).id(12)
    )
    board.with_panel(
        series(
            "Memory of the agent",
            "Resident memory per part.",
            "bytes",
            [Target(over_time('mean("rss_bytes")', "agent", by=BY), NAME)],
        ).id(13)
    )
    board.with_panel(
        series(
            "Coverage",
            "Share of the interfaces' bytes that an application was named for, per host.",
            "percentunit",
            [
                Target(
                    over_time(
                        '1 - (sum("unattributed_rx_bytes") + sum("unattributed_tx_bytes"))'
                        ' / (sum("rx_bytes") + sum("tx_bytes"))',
                        "host_traffic",
                    ),
                    "$tag_host",
                )
            ],
            maximum=1.0,
        ).id(14)
    )
    board.with_panel(
        series(
            "Interface drops and errors",
            "Packets that the interface itself dropped or found broken, per interval.",
            "short",
            [
                Target(
                    over_time(
                        'sum("rx_drops") + sum("tx_drops") + sum("rx_errors") + sum("tx_errors")',
                        "host_traffic",
                        by=("host", "iface"),
                    ),
                    "$tag_host $tag_iface",
                )
            ],
        ).id(15)
    )
    board.with_panel(
        rows(
            "Events",
            "What happened last: decisions, losses, restarts, rounds.",
            "short",
            Target(raw('"host", "part", "kind", "subject", "message"', "event", (HOST,))),
            renames={"host": "Host", "part": "Part", "kind": "Kind", "subject": "Subject", "message": "Message"},
            sort_by="Time",
            width=24,
        )
        .id(16)
        .override_by_name("Time", [unit("dateTimeAsIso")])
    )
    return board
