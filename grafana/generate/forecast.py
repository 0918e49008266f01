"""Forecast: actual against predicted, the band, the baseline, and how wrong it was."""

from grafana_foundation_sdk.builders import dashboard

from grafana.generate import thresholds as t
from grafana.generate.influxql import HOST, Target, over_range, over_time, rate_bps
from grafana.generate.panels import band, base, dashed, rows, series, unit, variable

UID = "autoqos-forecast"
SERIES = '"series" =~ /^$series$/'


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(
        UID,
        "AutoQoS · Forecast",
        "What was predicted, what came, and which model earns its place.",
        future="now+2h",
    )
    board.with_variable(variable("host", "host_traffic", "Host"))
    board.with_variable(variable("series", "forecast", "Series", HOST))
    for panel_id, name, field in ((1, "down", "rx_bytes"), (2, "up", "tx_bytes")):
        where = (HOST, f"\"series\" = 'host_{name}'")
        panel = series(
            f"Bandwidth {name}: actual and predicted",
            "The band is the 80 % interval; dashed: the naive baseline that the model must beat.",
            "bps",
            [
                Target(over_time(rate_bps(field), "host_traffic"), "$tag_host actual"),
                Target(over_time('last("value")', "forecast", where), "$tag_host predicted"),
                Target(over_time('last("lower")', "forecast", where), "$tag_host lower"),
                Target(over_time('last("upper")', "forecast", where), "$tag_host upper"),
                Target(over_time('last("baseline")', "forecast", where), "$tag_host baseline"),
            ],
        ).id(panel_id)
        board.with_panel(dashed(band(panel, "/ lower$/", "/ upper$/"), "/ baseline$/", "gray"))
    any_series = (HOST, SERIES)
    by = ("host", "series", "model")
    panel = series(
        "Any series: predicted with its band",
        "The chosen series in their own unit: bit/s for bandwidth, ms for latency, a ratio for loss.",
        "short",
        [
            Target(over_time('last("value")', "forecast", any_series, by), "$tag_host $tag_series $tag_model"),
            Target(over_time('last("lower")', "forecast", any_series, by), "$tag_host $tag_series lower"),
            Target(over_time('last("upper")', "forecast", any_series, by), "$tag_host $tag_series upper"),
        ],
        width=24,
    ).id(3)
    board.with_panel(band(panel, "/ lower$/", "/ upper$/"))
    name = "$tag_host $tag_series $tag_model"
    board.with_panel(
        series(
            "Error over time (MASE)",
            "Mean absolute scaled error of each round: below 1 beats naive. Dashed: where the alert fires.",
            "short",
            [Target(over_time('last("mase")', "forecast_score", any_series, by), name)],
            thresholds=((None, "green"), (1.0, "yellow"), (t.MASE, "red")),
        ).id(4)
    )
    board.with_panel(
        series(
            "Coverage of the 80 % band",
            "Share of the actual values inside the band. 0.8 is right; more is too wide, less is too sure.",
            "percentunit",
            [Target(over_time('last("coverage")', "forecast_score", any_series, by), name)],
            maximum=1.0,
        ).id(5)
    )
    columns = ("mae", "rmse", "mase", "r2", "coverage", "train_seconds", "published")
    board.with_panel(
        rows(
            "Scores per model",
            "The newest scores; published = 1 is the model that serves.",
            "short",
            Target(
                over_range(", ".join(f'last("{c}") AS "{c}"' for c in columns), "forecast_score", any_series, by),
            ),
            renames={
                "host": "Host",
                "series": "Series",
                "model": "Model",
                "mae": "MAE",
                "rmse": "RMSE",
                "mase": "MASE",
                "r2": "R²",
                "coverage": "Coverage",
                "train_seconds": "Training",
                "published": "Serves",
            },
            sort_by="Serves",
            width=24,
        )
        .id(6)
        .override_by_name("Coverage", [unit("percentunit")])
        .override_by_name("Training", [unit("s")])
    )
    return board
