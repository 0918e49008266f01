"""Connection quality: how good the line is, when it was bad, and who was busy then."""

from grafana_foundation_sdk.builders import common, dashboard, heatmap
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import heatmap as heatmaps

from grafana.generate import thresholds as t
from grafana.generate.influxql import HOST, SOURCE, TARGET, Target, over_range, over_time
from grafana.generate.overview import LATENCY, LOSS
from grafana.generate.panels import base, rows, series, unit, variable

UID = "autoqos-quality"
BOTH = (HOST, TARGET)
BY = ("host", "target")
NAME = "$tag_host $tag_target"


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(UID, "AutoQoS · Connection quality", "Round-trip time, jitter and loss per target, and who was busy.")
    board.with_variable(variable("host", "host_traffic", "Host"))
    board.with_variable(variable("target", "probe", "Target", HOST))
    board.with_panel(
        series(
            "Round-trip time",
            "Mean of the echoes; dashed: where the latency alert fires.",
            "ms",
            [Target(over_time('mean("rtt_ms")', "probe", BOTH, BY), NAME)],
            thresholds=LATENCY,
            width=24,
        ).id(1)
    )
    board.with_panel(
        series(
            "Which application was busy when it was slow",
            "The same time axis as above: traffic both ways, stacked by application. Look for who rises with the latency.",
            "bps",
            [
                Target(
                    over_time(
                        '(sum("rx_bytes") + sum("tx_bytes")) * 8000 / $__interval_ms', "app_traffic", by=("host", "app")
                    ),
                    "$tag_host $tag_app",
                )
            ],
            width=24,
            stack=True,
        ).id(2)
    )
    board.with_panel(
        series(
            "Jitter",
            "Interarrival jitter as in RFC 3550 section 6.4.1, on round-trip times.",
            "ms",
            [Target(over_time('mean("jitter_ms")', "probe", BOTH, BY), NAME)],
            thresholds=((None, "green"), (t.JITTER_MS, "red")),
        ).id(3)
    )
    board.with_panel(
        series(
            "Loss",
            "Share of echoes without an answer in time; dashed: where the loss alert fires.",
            "percentunit",
            [Target(over_time('1 - mean("ok")', "probe", BOTH, BY), NAME)],
            thresholds=LOSS,
        ).id(4)
    )
    board.with_panel(_heat())
    board.with_panel(
        rows(
            "Targets over the range",
            "Each target's median and 95th percentile, and the share of echoes lost.",
            "ms",
            Target(
                over_range(
                    'percentile("rtt_ms", 50) AS "p50", percentile("rtt_ms", 95) AS "p95", mean("ok") AS "answered"',
                    "probe",
                    BOTH,
                    BY,
                )
            ),
            renames={
                "host": "Host",
                "target": "Target",
                "p50": "Median",
                "p95": "95th percentile",
                "answered": "Answered",
            },
            sort_by="95th percentile",
        )
        .id(6)
        .override_by_name("Answered", [unit("percentunit")])
    )
    return board


def _heat() -> heatmap.Panel:
    scheme = heatmap.HeatmapColorOptions().mode(heatmaps.HeatmapColorMode.SCHEME).scheme("Turbo").steps(64)
    buckets = common.HeatmapCalculationBucketConfig().mode(commons.HeatmapCalculationMode.SIZE).value("30m")
    return (
        heatmap.Panel()
        .title("Round-trip time over the day")
        .description("How often each round-trip time was seen, per half hour.")
        .id(5)
        .unit("ms")
        .datasource(SOURCE)
        .span(12)
        .height(8)
        .calculate(True)
        .calculation(common.HeatmapCalculationOptions().x_buckets(buckets))
        .color(scheme)
        .y_axis(heatmap.YAxisConfig().unit("ms").min(0))
        .with_target(Target(over_time('mean("rtt_ms")', "probe", BOTH, BY), NAME))
    )
