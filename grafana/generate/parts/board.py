"""What every dashboard shares: its variables, its links, and how coarse the history is that it reads."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.parts.influxql import HOST, SOURCE, step_query, tag_values, top_query

TAG: Final = "autoqos"
TOP_COUNT: Final = 8


def base(
    uid: str, title: str, description: str, *, start: str = "now-6h", end: str = "now", one_host: bool = False
) -> dashboard.Dashboard:
    """A board with the host, the detail and the hidden step variable; others come after, in the order they filter."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time(start, end)
        .timezone("browser")
        .link(
            dashboard.DashboardLink("AutoQoS")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(variable("host", "host_traffic", "Host", multi=not one_host))
        .with_variable(_detail())
        .with_variable(_hidden("step", step_query(), models.VariableRefresh.ON_DASHBOARD_LOAD))
    )


def variable(
    name: str,
    measurement: str,
    label: str,
    where: str = "",
    *,
    multi: bool = True,
    key: str = "",
    regex: str = "",
) -> dashboard.QueryVariable:
    """A variable of a tag's values, refreshed when the time range changes; All unless ``multi`` is False."""
    query = tag_values(measurement, key or name, where)
    built = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .regex(regex)
        .multi(multi)
        .include_all(multi)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if not multi:
        return built
    return built.all_value(".*").current(models.VariableOption(text="All", value="$__all", selected=True))


def top(*where: str) -> dashboard.QueryVariable:
    """The hidden list of the largest applications: All of them is what the panels draw, the rest is "other"."""
    query = top_query([HOST, *where], TOP_COUNT)
    return (
        _hidden("top", query, models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def _hidden(name: str, query: str, refresh: models.VariableRefresh) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .hide(models.VariableHide.HIDE_VARIABLE)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .refresh(refresh)
    )


def _detail() -> dashboard.CustomVariable:
    """By range: rows as written below 26 hours, 5-minute windows below 10 days, hours above; or as written always (slow)."""
    choices = {"by range": "auto", "as written": "raw"}
    options = [models.VariableOption(text=k, value=v, selected=v == "auto") for k, v in choices.items()]
    return (
        dashboard.CustomVariable("detail")
        .label("Detail")
        .values(",".join(f"{text} : {value}" for text, value in choices.items()))
        .options(options)
        .current(options[0])
    )
