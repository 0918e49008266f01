"""Forecast: actual against predicted, the band, the baseline, which model serves, and how wrong it was."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard, table, timeseries

from grafana.generate.parts import thresholds as t
from grafana.generate.parts.annotations import round_marks
from grafana.generate.parts.board import base, variable
from grafana.generate.parts.influxql import HOST, Target, over_time, points, rate_bps
from grafana.generate.parts.panels import band, colored, rows, series, styled

UID: Final = "autoqos-forecast"
NONE_YET: Final = "no forecast yet: the first comes after a day of data, or run `autoqos forecast --once`"
NO_ROUND: Final = "no round in this range"
NEWEST: Final = "time >= ($__from - 172800000) * 1000000 AND time <= $__to * 1000000"
"""The range and the two days before it: rounds are hours apart."""
SKILL: Final = ((None, "green"), (1.0, "yellow"), (t.MASE, "red"))


def build() -> dashboard.Dashboard:
    """The dashboard's builder."""
    board = base(
        UID,
        "AutoQoS · Forecast",
        "What was predicted, what came, and which model earns its place.",
        start="now-12h",
        end="now+6h",
        one_host=True,
    )
    board.with_variable(
        variable("target", "forecast", "Target", HOST, multi=False, key="series", regex="/^latency:(.*)/")
    )
    board.annotation(round_marks([1, 2, 3, 10]))
    for panel_id, name, field in ((1, "down", "rx_bytes"), (2, "up", "tx_bytes")):
        actual = over_time(rate_bps(field), "host_traffic", by=(), alias="actual")
        board.with_panel(_predicted(f"Bandwidth {name}", "bps", f"host_{name}", actual).id(panel_id))
    board.with_panel(_chosen("Latency", "ms", "latency", 9).id(3))
    board.with_panel(_chosen("Loss", "percentunit", "loss", 6).id(10))
    board.with_panel(_serving().id(7))
    board.with_panel(
        series(
            "Error over time (MASE)",
            "Mean absolute scaled error of each round's serving model: below 1 beats naive. Dashed: where the alert fires.",
            "short",
            [_score("mase")],
            thresholds=SKILL,
            empty=NO_ROUND,
        ).id(4)
    )
    board.with_panel(
        series(
            "Coverage of the 80 % band",
            "Share of the actual values inside the band. 0.8 is right; more is too wide, less is too sure.",
            "percentunit",
            [_score("coverage")],
            maximum=1.0,
            empty=NO_ROUND,
        ).id(5)
    )
    for panel_id, title, unit, names in (
        (6, "Models: bandwidth and applications", "bps", "/^(host_|app:)/"),
        (8, "Models: latency", "ms", "/^latency:/"),
        (9, "Models: loss", "percentunit", "/^loss:/"),
    ):
        board.with_panel(_models(title, unit, names).id(panel_id))
    return board


def _predicted(title: str, unit: str, name: str, actual: list[Target]) -> timeseries.Panel:
    where = (HOST, f"\"series\" = '{name}'")
    panel = series(
        f"{title}: actual and predicted",
        "Blue: the published forecast with its 80 % band; dashed: the naive baseline that it must beat. "
        "A gap: nothing was measured.",
        unit,
        [*actual, *_lines(where)],
        empty=NONE_YET,
        height=9,
    )
    return _drawn(panel)


def _chosen(title: str, unit: str, kind: str, width: int) -> timeseries.Panel:
    panel = series(
        f"{title} of the target: predicted with its band",
        f"{title} of the target chosen above: the published forecast with its 80 % band, dashed the naive baseline.",
        unit,
        _lines((HOST, f'"series" =~ /^{kind}:$target$/')),
        width=width,
        empty=NONE_YET,
    )
    return _drawn(panel)


def _lines(where: tuple[str, ...]) -> list[Target]:
    return [
        points(f'"{column}"', "forecast", where, ("host",), alias=alias)
        for column, alias in (("value", "predicted"), ("lower", "lower"), ("upper", "upper"), ("baseline", "baseline"))
    ]


def _drawn(panel: timeseries.Panel) -> timeseries.Panel:
    panel.insert_nulls(3_600_000)
    styled(panel, "/^predicted$/", "blue")
    styled(panel, "/^actual$/", "text")
    return styled(band(panel), "/^baseline$/", "gray", dashed=True)


def _serving() -> table.Panel:
    panel = rows(
        "Which model serves",
        "The model behind each published series: its error against naive (MASE) and how often the band held.",
        [
            Target(
                'SELECT last("mase") AS "mase", last("coverage") AS "coverage", last("samples") AS "samples" '
                f'FROM "forecast_score" WHERE {HOST} AND "published" = 1 AND {NEWEST} GROUP BY "series", "model"'
            )
        ],
        columns={
            "series": ("Series", ""),
            "model": ("Model", ""),
            "mase": ("MASE", "short"),
            "coverage": ("Coverage", "percentunit"),
            "samples": ("Samples", "short"),
        },
        sort_by="MASE",
        width=9,
        widths={"MASE": 75, "Coverage": 85, "Samples": 85, "Model": 75},
        empty=NONE_YET,
    )
    return colored(panel, "MASE", SKILL)


def _score(column: str) -> Target:
    where = (HOST, '"published" = 1')
    return points(f'"{column}"', "forecast_score", where, ("host", "series"), alias="$tag_series · $tag_host")


def _models(title: str, unit: str, names: str) -> table.Panel:
    columns = ("mae", "rmse", "mase", "r2", "coverage", "train_seconds", "published")
    select = ", ".join(f'last("{c}") AS "{c}"' for c in columns)
    panel = rows(
        title,
        "The newest scores of every model, up to two days before the range; errors in the series' own unit. Serves = yes is the model that is published.",
        [
            Target(
                f'SELECT {select} FROM "forecast_score" WHERE {HOST} AND "series" =~ {names} AND {NEWEST} '
                'GROUP BY "host", "series", "model"'
            )
        ],
        columns={
            "series": ("Series", ""),
            "host": ("Host", ""),
            "model": ("Model", ""),
            "mae": ("MAE", unit),
            "rmse": ("RMSE", unit),
            "mase": ("MASE", "short"),
            "r2": ("R²", "short"),
            "coverage": ("Coverage", "percentunit"),
            "train_seconds": ("Training", "s"),
            "published": ("Serves", "bool_yes_no"),
        },
        sort_by="Serves",
        width=24,
        height=7,
        empty=NONE_YET,
    )
    return colored(panel, "MASE", SKILL)
