"""How every panel looks: title, description, unit, thresholds, legend, empty state, and gaps that stay gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.parts.influxql import MAX_POINTS, SOURCE, STEP, Target, lettered
from grafana.generate.parts.presence import NOT_MEASURED

EMPTY: Final = "no data yet: start `autoqos up`"
Levels = Sequence[tuple[float | None, str]]
Legend = Literal["none", "list", "top", "table"]


def steps(levels: Levels) -> dashboard.ThresholdsConfig:
    """Thresholds from the lowest up; the first has no value."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in levels])
    )


def series(
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Target],
    *,
    thresholds: Levels = (),
    width: int = 12,
    height: int = 8,
    stack: bool = False,
    maximum: float | None = None,
    soft_max: float | None = None,
    legend: Legend = "list",
    calc: str = "mean",
    empty: str = EMPTY,
) -> timeseries.Panel:
    """A time series. ``soft_max``: the axis reaches at least there, so that nothing is not drawn as 10000 %. ``legend="top"`` is a table beside it, the largest first by ``calc``; ``table`` is below it."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .no_value(empty)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .line_width(1)
        .fill_opacity(70 if stack else 0)
        .show_points(commons.VisibilityMode.NEVER)
        .span_nulls(False)
        .max_data_points(MAX_POINTS)
        .interval(STEP)
        .legend(_legend(legend, calc))
        .tooltip(common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI).sort(commons.SortOrder.DESCENDING))
    )
    for target in lettered(targets, "time_series"):
        panel.with_target(target)
    if stack:
        panel.stacking(common.StackingConfig().mode(commons.StackingMode.NORMAL).group("A"))
        panel.line_width(0)
    if maximum is not None:
        panel.max(maximum)
    if soft_max is not None:
        panel.axis_soft_max(soft_max)
    if thresholds:
        panel.thresholds(steps(thresholds)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(commons.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def _legend(legend: Legend, calc: str) -> common.VizLegendOptions:
    options = common.VizLegendOptions().show_legend(legend != "none")
    if legend in ("top", "table"):
        place = commons.LegendPlacement.RIGHT if legend == "top" else commons.LegendPlacement.BOTTOM
        name = {"mean": "Mean", "max": "Max", "lastNotNull": "Last *"}[calc]
        calcs = [calc] if legend == "top" else ["mean", "max"]
        return (
            options.display_mode(commons.LegendDisplayMode.TABLE)
            .placement(place)
            .calcs(calcs)
            .sort_by(name)
            .sort_desc(True)
        )
    return options.display_mode(commons.LegendDisplayMode.LIST).placement(commons.LegendPlacement.BOTTOM).calcs([])


def number(
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Target],
    *,
    thresholds: Levels = ((None, "text"),),
    width: int = 3,
    height: int = 4,
    no_value: str = "no data",
    decimals: int | None = None,
    url: str = "",
) -> stat.Panel:
    """One big number, coloured only where a colour means something."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .no_value(no_value)
        .thresholds(steps(thresholds))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(commons.BigValueColorMode.VALUE)
        .graph_mode(commons.BigValueGraphMode.NONE)
    )
    if no_value == "no data":
        # Nothing is known: that is no good news, so it does not take the lowest level's green.
        unknown = models.ValueMappingResult(text=no_value, color="text")
        null = models.DashboardSpecialValueMapOptions(models.SpecialValueMatch.NULL_AND_NAN, unknown)
        panel.mappings([models.SpecialValueMap(null)])
    for target in lettered(targets, "time_series"):
        panel.with_target(target)
    if decimals is not None:
        panel.decimals(decimals)
    if url:
        panel.links([dashboard.DashboardLink(title).url(url)])
    return panel


def rows(
    title: str,
    description: str,
    targets: Sequence[Target],
    *,
    columns: Mapping[str, tuple[str, str]],
    sort_by: str,
    ascending: bool = False,
    width: int = 12,
    height: int = 8,
    keep_time: bool = False,
    widths: Mapping[str, int] | None = None,
    counted: tuple[str, str] | None = None,
    empty: str = EMPTY,
) -> table.Panel:
    """A table, the largest first unless ``ascending``. ``columns``: a query's column → its title and unit, in the order shown.

    Rows of several targets with the same tags become one: their times (the range's start) are dropped before.
    ``counted=("version", "host")``: one row a version with the column ``host (count)``.
    """
    order = {name: index for index, name in enumerate((["Time"] if keep_time else []) + list(columns))}
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .no_value(empty)
        .unit("short")
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(not ascending)])
    )
    for target in lettered(targets, "table"):
        panel.with_target(target)
    if not keep_time:
        panel.with_transformation(transform("filterFieldsByName", exclude={"names": ["Time"]}))
    panel.with_transformation(transform("merge"))
    if counted:
        panel.with_transformation(transform("groupBy", fields=_grouped((counted[0],), counted[1], "count")))
    panel.with_transformation(
        transform(
            "organize",
            excludeByName={},
            indexByName=order,
            renameByName={name: label for name, (label, _) in columns.items()},
        )
    )
    for label, unit_name in columns.values():
        # The empty state's text is the whole panel's: one cell without a value says less.
        panel.override_by_name(label, [option("noValue", "–")])
        if widths and label not in widths:
            panel.override_by_name(label, [option("custom.minWidth", 50)])
        if unit_name:
            tenths = [option("decimals", 1)] if unit_name == "percentunit" else []
            panel.override_by_name(label, [option("unit", unit_name), *tenths])
    for label, pixels in (widths or {}).items():
        panel.override_by_name(label, [option("custom.width", pixels)])
    return panel


def transform(kind: str, **options: Any) -> models.DataTransformerConfig:
    """One of Grafana's transformations by its id."""
    return models.DataTransformerConfig(id_val=kind, options=options)


def _grouped(by: Sequence[str], value: str, calc: str) -> dict[str, object]:
    keys: dict[str, object] = {name: {"operation": "groupby", "aggregations": []} for name in by}
    return keys | {value: {"operation": "aggregate", "aggregations": [calc]}}


def week(title: str, description: str, unit: str, target: Target, worst: float, *, height: int = 9) -> table.Panel:
    """A heat map: a row a weekday, a column an hour of the day, in the reader's time zone; the mean of each hour.

    From green at 0 to red at ``worst``. ``target`` gives one row an hour in the columns Time and ``v``. InfluxQL knows no hour of the day, so Grafana's
    transformations cut the time into words: ``[…]`` is literal text in its format, and the whole is read as JSON.
    """
    words = '[{"day":"]E ddd[","hour":"]HH["}]'
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(24)
        .height(height)
        .no_value("no whole hour of data yet")
        .unit(unit)
        .decimals(0)
        .min(0)
        .max(worst)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_GR_YL_RD))
        .with_target(replace(target, result_format="table"))
    )
    for step in (
        transform("convertFieldType", conversions=[_texted("Time", words)], fields={}),
        transform("extractFields", source="Time", format="json", replace=False, keepTime=False),
        transform("sortBy", fields={}, sort=[{"field": "hour", "desc": False}]),
        transform("groupBy", fields=_grouped(("day", "hour"), "v", "mean")),
        transform("groupingToMatrix", columnField="hour", rowField="day", valueField="v (mean)", emptyValue="null"),
        transform("sortBy", fields={}, sort=[{"field": "day\\hour", "desc": False}]),
        transform("organize", excludeByName={}, indexByName={}, renameByName={"day\\hour": " "}),
    ):
        panel.with_transformation(step)
    cells = [option("custom.displayMode", "color-background-solid")]
    cells.append(option("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    cells += [option("noValue", "·"), option("custom.align", "center"), option("custom.minWidth", 40)]
    panel.override_by_regexp(r"/^\d\d$/", cells)
    return panel.override_by_name(" ", [option("custom.width", 80)])


def _texted(field: str, words: str) -> dict[str, str]:
    return {"targetField": field, "destinationType": "string", "dateFormat": words}


def option(name: str, value: object) -> models.DynamicConfigValue:
    """One field option of an override, such as ``custom.width``."""
    return models.DynamicConfigValue(id_val=name, value=value)


def colored(panel: table.Panel, column: str, levels: Levels) -> table.Panel:
    """A column whose text takes the colour of its level."""
    values = {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in levels]}
    return panel.override_by_name(
        column, [option("thresholds", values), option("custom.displayMode", "color-text"), _cell("color-text")]
    )


def gauged(panel: table.Panel, column: str, color: str) -> table.Panel:
    """A column drawn as a bar, to be compared at a glance."""
    return panel.override_by_name(
        column,
        [
            option("custom.displayMode", "basic"),
            option("custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}),
            option("color", {"mode": "fixed", "fixedColor": color}),
            option("min", 0),
        ],
    )


def _cell(kind: str) -> models.DynamicConfigValue:
    return option("custom.cellOptions", {"type": kind})


def opening(panel: table.Panel, column: str, title: str, url: str) -> table.Panel:
    """A link on the cells of one column only."""
    return panel.override_by_name(column, [option("links", [{"title": title, "url": url}])])


def with_outages(panel: timeseries.Panel, targets: Sequence[Target]) -> timeseries.Panel:
    """A grey band, as high as the share that was not measured: idle is 0, and 0 is not "not running"."""
    for index, target in enumerate(lettered(targets, "time_series")):
        panel.with_target(replace(target, ref_id=f"Z{index}"))
    return panel.override_by_name(
        NOT_MEASURED,
        [
            option("custom.axisPlacement", "hidden"),
            option("unit", "none"),
            option("max", 1),
            option("custom.stacking", {"mode": "none", "group": "B"}),
            option("custom.lineInterpolation", "stepAfter"),
            option("custom.lineWidth", 0),
            option("custom.fillOpacity", 20),
            option("color", {"mode": "fixed", "fixedColor": "text"}),
            option("custom.hideFrom", {"legend": True, "tooltip": True, "viz": False}),
        ],
    )


def band(panel: timeseries.Panel, name: str = "", color: str = "blue") -> timeseries.Panel:
    """Fill between ``NAME lower`` and ``NAME upper``: Grafana wants the exact display name in ``fillBelowTo``."""
    lower, upper = f"{name} lower".strip(), f"{name} upper".strip()
    tint = option("color", {"mode": "fixed", "fixedColor": color})
    quiet = option("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
    panel.override_by_name(
        upper,
        [
            option("custom.fillBelowTo", lower),
            option("custom.lineWidth", 0),
            option("custom.fillOpacity", 25),
            tint,
            quiet,
        ],
    )
    return panel.override_by_name(lower, [option("custom.lineWidth", 0), option("custom.fillOpacity", 0), tint, quiet])


def styled(
    panel: timeseries.Panel,
    name: str,
    color: str,
    *,
    dashed: bool = False,
    step: bool = False,
    unlisted: bool = False,
) -> timeseries.Panel:
    """A line of its own colour, without fill: dashed for what is not a measurement, stepped for what holds until changed.

    ``unlisted`` leaves it out of the legend. A step runs on to the right edge after the last value: not for what ends.
    """
    options = [
        option("custom.fillOpacity", 0),
        option("custom.lineWidth", 2),
        option("color", {"mode": "fixed", "fixedColor": color}),
        option("custom.stacking", {"mode": "none", "group": "C"}),
    ]
    if dashed:
        options.append(option("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
    if step:
        options.append(option("custom.lineInterpolation", "stepAfter"))
    if unlisted:
        options.append(option("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}))
    return panel.override_by_regexp(name, options)
