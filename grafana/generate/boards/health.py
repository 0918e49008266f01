"""Agent health: is AutoQoS itself alive, complete and cheap?"""

from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, statetimeline
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.parts import thresholds as t
from grafana.generate.parts.board import base
from grafana.generate.parts.influxql import (
    HOST,
    MAX_POINTS,
    SOURCE,
    Reading,
    lettered,
    mean,
    over_time,
    raw,
    recent,
    row_count,
    total,
    totals,
)
from grafana.generate.parts.panels import EMPTY, number, rows, series, steps
from grafana.generate.parts.presence import running

UID: Final = "autoqos-health"
BY: Final = ("host", "part")
NAME: Final = "$tag_part · $tag_host"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Agent health", "Heartbeat, losses, outbox and the agent's own cost.")
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
                totals({"v": f'sum("{field}")'}, "agent", by=()),
                thresholds=((None, "green"), (1, "red")),
                width=6,
            ).id(panel_id)
        )
    board.with_panel(
        number(
            "Outbox",
            "Rows that wait to be shipped to InfluxDB, the most in the last two minutes of any chosen host.",
            "short",
            [recent('max("outbox_rows")', "agent", 120)],
            thresholds=((None, "green"), (t.OUTBOX_ROWS, "red")),
            width=6,
        ).id(4)
    )
    board.with_panel(_timeline())
    board.with_panel(
        series(
            "Heartbeat",
            "Rows written by each part per interval: the collector's one a tick, the others' one in ten seconds. 0: the "
            "part did not run.",
            "short",
            over_time(row_count("rss_bytes"), "agent", by=BY, alias=NAME),
        )
        .interval("1m")
        .id(10)
    )
    board.with_panel(
        series(
            "Points written",
            "Points per interval and part.",
            "short",
            over_time(total("points_written"), "agent", by=BY, alias=NAME),
        ).id(11)
    )
    board.with_panel(
        series(
            "CPU of the agent",
            "Percent of one core, per part.",
            "percent",
            over_time(mean("cpu_percent"), "agent", by=BY, alias=NAME),
        ).id(12)
    )
    board.with_panel(
        series(
            "Memory of the agent",
            "Resident memory per part.",
            "bytes",
            over_time(mean("rss_bytes"), "agent", by=BY, alias=NAME),
        ).id(13)
    )
    named = Reading(
        '1 - (sum("unattributed_rx_bytes") + sum("unattributed_tx_bytes")) / (sum("rx_bytes") + sum("tx_bytes"))'
    )
    board.with_panel(
        series(
            "Coverage",
            "Share of the interfaces' bytes that an application was named for, per host.",
            "percentunit",
            over_time(named, "host_traffic", alias="$tag_host"),
            maximum=1.02,
        ).id(14)
    )
    broken = Reading('sum("rx_drops") + sum("tx_drops") + sum("rx_errors") + sum("tx_errors")')
    board.with_panel(
        series(
            "Interface drops and errors",
            "Packets that the interface itself dropped or found broken, per interval.",
            "short",
            over_time(broken, "host_traffic", by=("host", "iface"), alias="$tag_iface · $tag_host"),
            soft_max=10,
        ).id(15)
    )
    board.with_panel(
        rows(
            "Events",
            "What happened last: decisions, losses, restarts, rounds.",
            [raw('"host", "part", "kind", "subject", "message"', "event", (HOST,))],
            columns={
                "host": ("Host", ""),
                "part": ("Part", ""),
                "kind": ("Kind", ""),
                "subject": ("Subject", ""),
                "message": ("Message", ""),
            },
            sort_by="Time",
            width=24,
            keep_time=True,
            widths={"Time": 170, "Host": 130, "Part": 110, "Kind": 150, "Subject": 150},
            empty="nothing happened in this range",
        ).id(16)
    )
    return board


def _timeline() -> statetimeline.Panel:
    """Shares of windows, read as states by thresholds: silent, for a part of the window, running."""
    panel = (
        statetimeline.Panel()
        .title("What ran when")
        .description(
            "Each part of each host. Green: it ran. Orange: it was silent for a part of this window (an outage shorter than "
            "the window, or its begin or end). Red: silent all the time. Empty: before its first sign of life. "
            "An outage of ten minutes is seen at every range up to 180 days, one of two hours beyond."
        )
        .id(17)
        .unit("percentunit")
        .decimals(0)
        .datasource(SOURCE)
        .span(24)
        .height(7)
        .no_value(EMPTY)
        .max_data_points(MAX_POINTS)
        .interval("1m")
        .merge_values(True)
        .show_value(commons.VisibilityMode.NEVER)
        .fill_opacity(80)
        .line_width(0)
        .thresholds(steps(((None, "red"), (0.001, "orange"), (0.98, "green"))))
        .legend(common.VizLegendOptions().show_legend(False).display_mode(commons.LegendDisplayMode.LIST))
        .mappings([])
    )
    for target in lettered(running(BY, NAME), "time_series"):
        panel.with_target(target)
    return panel.color_scheme(_by_threshold())


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)
