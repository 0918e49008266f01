"""How every panel looks: title, description, unit, thresholds, legend, and gaps that stay gaps."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.influxql import SOURCE, Marks, Target, tag_values

TAG = "autoqos"
FOLDER_UID = "autoqos"


def steps(*levels: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
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
    thresholds: Sequence[tuple[float | None, str]] = (),
    width: int = 12,
    height: int = 8,
    stack: bool = False,
    maximum: float | None = None,
) -> timeseries.Panel:
    """A time series with a table legend of mean, maximum and last."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .line_width(1)
        .fill_opacity(25 if stack else 8)
        .show_points(commons.VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .display_mode(commons.LegendDisplayMode.TABLE)
            .placement(commons.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["mean", "max", "lastNotNull"])
        )
        .tooltip(common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI).sort(commons.SortOrder.DESCENDING))
    )
    for index, target in enumerate(targets):
        target._query.ref_id = chr(ord("A") + index)
        panel.with_target(target)
    if stack:
        panel.stacking(common.StackingConfig().mode(commons.StackingMode.NORMAL).group("A"))
    if maximum is not None:
        panel.max(maximum)
    if thresholds:
        panel.thresholds(steps(*thresholds)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(commons.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    target: Target,
    *,
    thresholds: Sequence[tuple[float | None, str]] = ((None, "green"),),
    calc: str = "lastNotNull",
    width: int = 4,
    no_value: str = "no data",
) -> stat.Panel:
    """One big number with its colour."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(4)
        .no_value(no_value)
        .with_target(target)
        .thresholds(steps(*thresholds))
        .reduce_options(common.ReduceDataOptions().calcs([calc]).values(False))
        .color_mode(commons.BigValueColorMode.VALUE)
        .graph_mode(commons.BigValueGraphMode.AREA)
    )


def rows(
    title: str,
    description: str,
    unit: str,
    target: Target,
    *,
    renames: dict[str, str],
    sort_by: str,
    width: int = 12,
    height: int = 8,
) -> table.Panel:
    """A table, one row a tag set, sorted descending by one column."""
    target._query.result_format = "table"
    return (
        table.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .with_target(target)
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": renames}
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    )


def override(name: str, **properties: object) -> tuple[models.MatcherConfig, list[models.DynamicConfigValue]]:
    """Field options for the series of one name: ``custom.lineStyle`` is written ``custom_lineStyle``."""
    return (
        models.MatcherConfig(id_val="byRegexp", options=name),
        [models.DynamicConfigValue(id_val=key.replace("_", "."), value=value) for key, value in properties.items()],
    )


def unit(name: str) -> models.DynamicConfigValue:
    """A column's unit, for ``override_by_name``."""
    return models.DynamicConfigValue(id_val="unit", value=name)


def band(panel: timeseries.Panel, lower: str, upper: str) -> timeseries.Panel:
    """Fill between the series that match ``lower`` and ``upper``, without lines of their own."""
    panel.with_override(
        *override(upper, custom_fillBelowTo=lower.strip("/^$"), custom_lineWidth=0, custom_fillOpacity=15)
    )
    return panel.with_override(*override(lower, custom_lineWidth=0, custom_fillOpacity=0))


def dashed(panel: timeseries.Panel, name: str, color: str) -> timeseries.Panel:
    """A stepped, dashed line: a limit, not a measurement."""
    style = {"fill": "dash", "dash": [8, 6]}
    fixed = {"mode": "fixed", "fixedColor": color}
    return panel.with_override(
        *override(name, custom_lineInterpolation="stepAfter", custom_lineStyle=style, custom_fillOpacity=0, color=fixed)
    )


def link(title: str, url: str) -> dashboard.DashboardLink:
    """A data link from a row or a point to its detail."""
    return dashboard.DashboardLink(title).url(url)


def variable(name: str, measurement: str, label: str, where: str = "") -> dashboard.QueryVariable:
    """A multi-value variable with All, refreshed when the time range changes."""
    query = tag_values(measurement, name, where)
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"variable-{name}"})
        .definition(query)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def events(name: str, where: str, color: str) -> dashboard.AnnotationQuery:
    """Annotations out of the ``event`` measurement."""
    query = (
        f'SELECT "message", "subject", "kind" FROM "event" WHERE {where} AND "host" =~ /^$host$/ '
        "AND $timeFilter ORDER BY time DESC LIMIT 500"
    )
    return dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).target(Marks(query))


def base(uid: str, title: str, description: str, *, future: str = "now") -> dashboard.Dashboard:
    """What all dashboards share: variables come after, in the order they filter."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-6h", future)
        .timezone("browser")
        .link(
            dashboard.DashboardLink("AutoQoS")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .annotation(events("Limits", "\"part\" = 'enforcer'", "orange"))
        .annotation(events("Forecast rounds", "\"part\" = 'forecaster'", "purple"))
    )
