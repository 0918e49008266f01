"""Overview: the home dashboard. Is everything all right, and who uses the line?"""

from grafana_foundation_sdk.builders import dashboard, table

from grafana.generate import thresholds as t
from grafana.generate.influxql import HOST, Target, over_range, over_time, rate_bps
from grafana.generate.panels import band, base, dashed, link, number, rows, series, unit, variable

UID = "autoqos-overview"
LATENCY = ((None, "green"), (t.LATENCY_WARN_MS, "yellow"), (t.LATENCY_MS, "red"))
LOSS = ((None, "green"), (t.LOSS_WARN_RATIO, "yellow"), (t.LOSS_RATIO, "red"))


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(
        UID, "AutoQoS · Overview", "Every host at a glance: bandwidth, applications, quality.", future="now+1h"
    )
    board.with_variable(variable("host", "host_traffic", "Host"))
    _numbers(board)
    _bandwidth(board)
    board.with_panel(_top())
    board.with_panel(
        series(
            "Round-trip time per target",
            "Mean echo round-trip time. Dashed: where the latency alert fires.",
            "ms",
            [Target(over_time('mean("rtt_ms")', "probe", by=("host", "target")), "$tag_host $tag_target")],
            thresholds=LATENCY,
        ).id(20)
    )
    board.with_panel(
        series(
            "Loss per target",
            "Share of echoes without an answer. Dashed: where the loss alert fires.",
            "percentunit",
            [Target(over_time('1 - mean("ok")', "probe", by=("host", "target")), "$tag_host $tag_target")],
            thresholds=LOSS,
        ).id(21)
    )
    board.with_panel(_limits())
    board.with_panel(
        dashboard.Panel()
        .type("alertlist")
        .title("Firing alerts")
        .description("AutoQoS alerts that fire or are about to.")
        .id(23)
        .span(12)
        .height(8)
        .options(
            {
                "viewMode": "list",
                "groupMode": "default",
                "maxItems": 20,
                "sortOrder": 3,
                "alertName": "",
                "folder": {"title": "AutoQoS", "uid": "autoqos"},
                "stateFilter": {"firing": True, "pending": True, "noData": True, "error": True, "normal": False},
            }
        )
    )
    return board


def _numbers(board: dashboard.Dashboard) -> None:
    for panel_id, title, field in ((1, "Down now", "rx_bytes"), (2, "Up now", "tx_bytes")):
        board.with_panel(
            number(
                title,
                "All interfaces of the chosen hosts together.",
                "bps",
                Target(over_time(rate_bps(field), "host_traffic", by=())),
            ).id(panel_id)
        )
    board.with_panel(
        number(
            "Latency",
            "Mean over hosts and targets, now.",
            "ms",
            Target(over_time('mean("rtt_ms")', "probe", by=())),
            thresholds=LATENCY,
        ).id(3)
    )
    board.with_panel(
        number(
            "Loss",
            "Share of echoes without an answer, over the range.",
            "percentunit",
            Target(over_range('1 - mean("ok")', "probe", by=())),
            thresholds=LOSS,
        ).id(4)
    )
    board.with_panel(
        number(
            "Coverage",
            "Share of the interfaces' bytes that an application was named for. The rest is shown as unattributed.",
            "percentunit",
            Target(
                over_range(
                    '1 - (sum("unattributed_rx_bytes") + sum("unattributed_tx_bytes")) / (sum("rx_bytes") + sum("tx_bytes"))',
                    "host_traffic",
                    by=(),
                )
            ),
            thresholds=((None, "red"), (1 - t.UNATTRIBUTED_RATIO, "green")),
        ).id(5)
    )
    board.with_panel(
        number(
            "Limited applications",
            "Applications that had a limit in force within the range.",
            "short",
            Target(
                'SELECT count("active") FROM (SELECT max("active") AS "active" FROM "app_limit" '
                f'WHERE {HOST} AND "active" = 1 AND $timeFilter GROUP BY "host", "app")'
            ),
            no_value="0",
        ).id(6)
    )


def _bandwidth(board: dashboard.Dashboard) -> None:
    for panel_id, name, field in ((10, "down", "rx_bytes"), (11, "up", "tx_bytes")):
        where = (HOST, f"\"series\" = 'host_{name}'")
        panel = series(
            f"Bandwidth {name}, with what comes next",
            "Measured per host; the band is the 80 % interval of the published forecast and reaches one hour ahead. "
            "Dashed: the link's capacity from config.yaml, where it is set.",
            "bps",
            [
                Target(over_time(rate_bps(field), "host_traffic"), "$tag_host"),
                Target(over_time('last("value")', "forecast", where), "$tag_host forecast"),
                Target(over_time('last("lower")', "forecast", where), "$tag_host lower"),
                Target(over_time('last("upper")', "forecast", where), "$tag_host upper"),
                Target(over_time(f'last("{name}_bps")', "link"), "$tag_host capacity"),
            ],
        ).id(panel_id)
        dashed(band(panel, "/ lower$/", "/ upper$/"), "/ capacity$/", "red")
        board.with_panel(panel)


def _top() -> table.Panel:
    return (
        rows(
            "Top applications",
            "Bytes over the range, all chosen hosts. A click opens the application.",
            "bytes",
            Target(
                over_range(
                    'sum("rx_bytes") AS "rx", sum("tx_bytes") AS "tx", max("processes") AS "processes"',
                    "app_traffic",
                    by=("host", "app"),
                )
            ),
            renames={"host": "Host", "app": "Application", "rx": "Received", "tx": "Sent", "processes": "Processes"},
            sort_by="Received",
            width=24,
        )
        .id(12)
        .data_links(
            [
                link(
                    "Open ${__data.fields.Application}",
                    "/d/autoqos-app?var-app=${__data.fields.Application}&${__url_time_range}",
                )
            ]
        )
        .override_by_name("Processes", [unit("short")])
    )


def _limits() -> table.Panel:
    return (
        rows(
            "Limits in the range",
            "The newest limit of each application, and why.",
            "bps",
            Target(
                over_range(
                    'last("down_bps") AS "down", last("up_bps") AS "up", sum("dropped_packets") AS "dropped", '
                    'max("queue_ms") AS "queue", last("reason") AS "reason"',
                    "app_limit",
                    by=("host", "app"),
                )
            ),
            renames={
                "host": "Host",
                "app": "Application",
                "down": "Down",
                "up": "Up",
                "dropped": "Dropped packets",
                "queue": "Worst queue",
                "reason": "Reason",
            },
            sort_by="Worst queue",
        )
        .id(22)
        .override_by_name("Dropped packets", [unit("short")])
        .override_by_name("Worst queue", [unit("ms")])
    )
