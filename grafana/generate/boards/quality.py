"""Connection: latency, loss and the culprit on one time axis; what the line carries; when it is bad."""

from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, table
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import heatmap as heatmaps

from grafana.generate.boards.overview import LATENCY, LOSS, incidents, stacked
from grafana.generate.parts import thresholds as t
from grafana.generate.parts.annotations import lag_marks, limit_marks, other_lag_marks
from grafana.generate.parts.board import base, top, variable
from grafana.generate.parts.influxql import (
    BEYOND,
    HOST,
    LOST,
    MAX_POINTS,
    SENT,
    SOURCE,
    STEP,
    TARGET,
    Reading,
    hourly,
    lettered,
    mean,
    over_range,
    over_time,
    points,
    rate_bps,
)
from grafana.generate.parts.panels import colored, option, rows, series, styled, week, with_outages
from grafana.generate.parts.presence import outages

UID: Final = "autoqos-quality"
BOTH: Final = (HOST, TARGET)
BY: Final = ("host", "target")
NAME: Final = "$tag_target · $tag_host"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Connection", "How good the line is, when it was bad, and who made it so.")
    board.with_variable(variable("target", "probe", "Target", HOST))
    board.with_variable(top())
    board.annotation(lag_marks([1, 2, 3, 4])).annotation(other_lag_marks([1, 3, 4])).annotation(limit_marks([2]))
    board.with_panel(
        series(
            "Round-trip time",
            "Mean of the echoes; dashed: where the latency alert fires; red marks: lag incidents with who made them.",
            "ms",
            over_time(mean("rtt_ms"), "probe", BOTH, BY, alias=NAME),
            thresholds=LATENCY,
            width=24,
            height=7,
        ).id(1)
    )
    board.with_panel(
        series(
            "Loss",
            "Share of each minute's (or wider window's) echoes without an answer; dashed: where the loss alert fires. "
            "A probe that could not be sent is no loss.",
            "percentunit",
            over_time(LOST, "probe", (*BOTH, SENT), BY, alias=NAME),
            thresholds=LOSS,
            soft_max=0.02,
            width=24,
            height=5,
        )
        .interval("1m")
        .id(4)
    )
    board.with_panel(stacked("Who was busy when it was slow: received", "rx_bytes", 24).id(2).height(7))
    board.with_panel(incidents(14, 8).id(8))
    board.with_panel(_targets())
    capacity = series(
        "The line: used, and what it was learned to carry",
        "All traffic down and up; dashed: the learned capacity, where the control loop runs.",
        "bps",
        [
            *over_time(rate_bps("rx_bytes"), "host_traffic", alias="$tag_host down"),
            *over_time(rate_bps("tx_bytes"), "host_traffic", alias="$tag_host up"),
            points(
                '"capacity_bps"', "link_estimate", by=("host", "direction"), alias="$tag_host $tag_direction capacity"
            ),
        ],
    ).id(7)
    board.with_panel(with_outages(styled(capacity, "/ capacity$/", "red", dashed=True, step=True), outages()))
    board.with_panel(
        series(
            "Jitter",
            "Interarrival jitter as in RFC 3550 section 6.4.1, on round-trip times.",
            "ms",
            over_time(mean("jitter_ms"), "probe", BOTH, BY, alias=NAME),
            thresholds=((None, "green"), (t.JITTER_MS, "red")),
        ).id(3)
    )
    board.with_panel(_spread())
    board.with_panel(
        week(
            "When the line is slow: round-trip time by weekday and hour",
            "Mean of the chosen targets but the gateway over the range (below a week: over the last four weeks), "
            "in your time zone. Grafana 9 shows nothing here: it cannot write a time as text.",
            "ms",
            hourly(Reading('sum("rtt_ms_sum") / sum("rtt_ms_n")').named("v"), "probe", (*BOTH, BEYOND)),
            t.LATENCY_MS,
        ).id(9)
    )
    return board


def _targets() -> table.Panel:
    middle = Reading('percentile("rtt_ms", 50)', 'percentile("rtt_ms_p50", 50)')
    late = Reading('percentile("rtt_ms", 95)', 'max("rtt_ms_p95")')
    panel = rows(
        "Targets over the range",
        "Median and 95th percentile of the round-trip time, and the share of echoes lost. Beyond 7 hours the median is the "
        "median of the windows', and the percentile is that of the worst window: percentiles cannot be put together.",
        over_range(middle.named("p50") + late.named("p95") + LOST.named("lost"), "probe", (*BOTH, SENT), BY),
        columns={
            "target": ("Target", ""),
            "host": ("Host", ""),
            "p50": ("Median", "ms"),
            "p95": ("95th percentile", "ms"),
            "lost": ("Lost", "percentunit"),
        },
        sort_by="95th percentile",
        width=10,
        widths={"Target": 130, "Median": 85, "95th percentile": 125, "Lost": 80},
    )
    for column in ("Median", "95th percentile"):
        panel.override_by_name(column, [option("decimals", 1)])
    return colored(colored(panel, "95th percentile", LATENCY), "Lost", LOSS).id(6)


def _spread() -> heatmap.Panel:
    scheme = heatmap.HeatmapColorOptions().mode(heatmaps.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    columns = common.HeatmapCalculationBucketConfig().mode(commons.HeatmapCalculationMode.COUNT).value("60")
    panel = (
        heatmap.Panel()
        .title("How often each round-trip time was seen")
        .description("Columns are a sixtieth of the range; a second stripe above the usual one is a queue or a detour.")
        .id(5)
        .unit("ms")
        .datasource(SOURCE)
        .span(24)
        .height(8)
        .calculate(True)
        .max_data_points(MAX_POINTS)
        .interval(STEP)
        .calculation(common.HeatmapCalculationOptions().x_buckets(columns))
        .color(scheme)
        .y_axis(heatmap.YAxisConfig().unit("ms").min(0))
    )
    for target in lettered(over_time(mean("rtt_ms"), "probe", BOTH, BY, alias=NAME, fill="none"), "time_series"):
        panel.with_target(target)
    return panel
