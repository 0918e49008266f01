"""Fleet: many hosts in one table. Who is silent, whose line is bad, whose outbox grows?"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard, table

from grafana.generate.boards.overview import LATENCY, LOSS
from grafana.generate.parts import thresholds as t
from grafana.generate.parts.board import base
from grafana.generate.parts.influxql import (
    BEYOND,
    HOST,
    LOST,
    SENT,
    Target,
    mean,
    over_time,
    rate_bps,
    recent,
    row_count,
)
from grafana.generate.parts.panels import colored, gauged, number, opening, option, rows, series
from grafana.generate.parts.presence import COLLECTOR

UID: Final = "autoqos-fleet"
BEATS: Final = ((None, "red"), (1, "green"))


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Fleet", "Every host that was seen in the last 30 days, the silent ones first.")
    _numbers(board)
    by = ("host",)
    seen = beats_query(f" AND {HOST}")
    medians = recent('median("rtt_ms") AS "v"', "probe", 300, (HOST, BEYOND), ("host", "target")).query
    panel = rows(
        "Hosts",
        "Of the last five minutes, silent hosts (no heartbeats) first: heartbeats, traffic, the median latency of the slowest target, loss, outbox. "
        "The gateway is left out; the version is that of the collector.",
        [
            Target(seen),
            recent(
                'sum("rx_bytes") * 8 / 300 AS "down", sum("tx_bytes") * 8 / 300 AS "up"', "host_traffic", 300, by=by
            ),
            Target(f'SELECT max("v") AS "rtt" FROM ({medians}) GROUP BY "host"'),
            recent(LOST.named("lost").raw, "probe", 300, (HOST, BEYOND, SENT), by),
            recent('last("version") AS "version"', "agent", 300, (HOST, COLLECTOR), by),
            recent('max("outbox_rows") AS "outbox", sum("points_dropped") AS "dropped"', "agent", 300, by=by),
        ],
        columns={
            "host": ("Host", ""),
            "beats": ("Heartbeats", "short"),
            "down": ("Down", "bps"),
            "up": ("Up", "bps"),
            "rtt": ("Latency", "ms"),
            "lost": ("Lost", "percentunit"),
            "outbox": ("Outbox", "short"),
            "dropped": ("Dropped", "short"),
            "version": ("Version", ""),
        },
        sort_by="Heartbeats",
        ascending=True,
        width=18,
        height=12,
        widths={
            "Heartbeats": 100,
            "Down": 160,
            "Up": 160,
            "Latency": 90,
            "Lost": 75,
            "Outbox": 80,
            "Dropped": 85,
            "Version": 85,
        },
    )
    panel.override_by_name("Latency", [option("decimals", 1)])
    colored(colored(colored(panel, "Heartbeats", BEATS), "Latency", LATENCY), "Lost", LOSS)
    colored(panel, "Outbox", ((None, "text"), (t.OUTBOX_ROWS, "red")))
    gauged(gauged(panel, "Down", "blue"), "Up", "purple")
    url = "/d/autoqos-overview?var-host=${__data.fields.Host}&${__url_time_range}"
    board.with_panel(opening(panel, "Host", "Open ${__data.fields.Host}", url).id(10))
    board.with_panel(_versions())
    board.with_panel(
        series(
            "Latency per host",
            "Mean round-trip time over each host's targets but the gateway. Dashed: where the latency alert fires.",
            "ms",
            over_time(mean("rtt_ms"), "probe", (HOST, BEYOND), alias="$tag_host"),
            thresholds=LATENCY,
            legend="top",
            calc="max",
        ).id(11)
    )
    board.with_panel(
        series(
            "Received per host",
            "All interfaces of each host. A gap means that the agent did not run; where it ran for a part of a wide window, a dip.",
            "bps",
            over_time(rate_bps("rx_bytes"), "host_traffic", alias="$tag_host"),
            legend="top",
        ).id(12)
    )
    board.with_panel(
        series(
            "Heartbeats per host",
            "Rows of the collector per interval: 0 means that it did not run, or that they have not reached InfluxDB yet.",
            "short",
            over_time(row_count("rss_bytes"), "agent", (HOST, COLLECTOR), alias="$tag_host"),
            width=24,
        ).id(13)
    )
    return board


def _versions() -> table.Panel:
    """How many hosts run which version: a text field cannot be grouped by in InfluxQL, so Grafana counts."""
    panel = rows(
        "Versions",
        "How many hosts run which version of the collector, of those that were seen in the last 30 days.",
        [
            Target(
                f'SELECT last("version") AS "version" FROM "agent" WHERE {HOST} AND {COLLECTOR} AND time > now() - 30d '
                'GROUP BY "host"'
            )
        ],
        columns={"version": ("Version", ""), "host (count)": ("Hosts", "none")},
        sort_by="Hosts",
        width=6,
        height=12,
        counted=("version", "host"),
    )
    return panel.id(14)


def beats_query(where: str = "") -> str:
    """The collector's rows per host in the last five minutes; 0 for a host that wrote within 30 days and is silent now.

    InfluxQL gives no series for what has no rows, so the hosts of the last 30 days are added with nothing.
    """
    rows_of = f"\"part\" = 'collector'{where}"
    return (
        f'SELECT sum("beats") AS "beats" FROM (SELECT count("rss_bytes") AS "beats" FROM "agent" WHERE {rows_of} AND time > now() - 5m '
        f'GROUP BY "host"), (SELECT 0 * count("rss_bytes") AS "beats" FROM "agent" WHERE {rows_of} AND time > now() - 2h '
        f'GROUP BY "host"), (SELECT 0 * count("n") AS "beats" FROM "1h"."agent" WHERE {rows_of} AND time > now() - 30d '
        'GROUP BY "host") GROUP BY "host"'
    )


def _numbers(board: dashboard.Dashboard) -> None:
    beats = beats_query(f" AND {HOST}")
    silent = f'SELECT count("beats") FROM (SELECT "beats" FROM ({beats}) WHERE "beats" = 0)'
    board.with_panel(
        number(
            "Silent hosts",
            "Hosts seen in the last 30 days whose collector wrote nothing for five minutes.",
            "short",
            [Target(silent)],
            thresholds=((None, "green"), (1, "red")),
            width=6,
            no_value="0",
        ).id(1)
    )
    latency = recent('median("rtt_ms") AS "v"', "probe", 300, (HOST, BEYOND), ("host", "target"))
    loss = recent(LOST.named("v").raw, "probe", 300, (HOST, BEYOND, SENT), ("host",))
    outbox = recent('max("outbox_rows") AS "v"', "agent", 300, by=("host",))
    backlog = ((None, "green"), (t.OUTBOX_ROWS, "red"))
    worst = (
        ("Worst latency", "The slowest target of any host: median of the last five minutes.", "ms", latency, LATENCY),
        ("Worst loss", "The host that lost most of its echoes in the last five minutes.", "percentunit", loss, LOSS),
        ("Biggest outbox", "Rows that wait to be shipped, the host that has most.", "short", outbox, backlog),
    )
    for panel_id, (title, description, unit, inner, levels) in enumerate(worst, 2):
        target = Target(f'SELECT max("v") FROM ({inner.query})')
        board.with_panel(
            number(
                title,
                description,
                unit,
                [target],
                thresholds=levels,
                width=6,
                decimals=1 if unit == "percentunit" else None,
            ).id(panel_id)
        )
