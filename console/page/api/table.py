"""The table of operations: what the API can do, in one place. Requests are answered and the OpenAPI made from it."""

from typing import Final

from console.page.api.handlers import applications, metrics, preview, session, settings, stored
from console.page.api.handlers.describe import get_openapi
from console.page.api.operation import Answer, Call, NoInput, Operation

_CSV: Final = ("application/json", "text/csv")
_ACTION: Final = "state (as it is now), said (a sentence), inverse (the request that undoes it), effect (a note)"


def _stream(_call: Call) -> Answer:
    raise AssertionError("streams are answered by console.page.live.stream")


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("POST", "/session", session.log_in, "A token for a one-time code", body=session.CodeInput, access="open"),
    Operation("DELETE", "/session", session.log_out, "Log out: the token ends"),
    Operation("GET", "/apps", applications.list_apps, "Applications, the busiest first", query=applications.PageInput),
    Operation("GET", "/apps/{name}", applications.get_app, "One application; ETag for If-Match"),
    Operation("GET", "/apps/{name}/why", applications.get_why, "Why it has its priority and limits, in sentences"),
    Operation(
        "PUT",
        "/apps/{name}/priority",
        applications.put_priority,
        "Set a priority by hand",
        body=applications.LevelInput,
        writes=True,
        answers=_ACTION,
    ),
    Operation(
        "DELETE",
        "/apps/{name}/priority",
        applications.delete_priority,
        "Priority back to the rules",
        writes=True,
        answers=_ACTION,
    ),
    Operation(
        "PUT",
        "/apps/{name}/limit",
        applications.put_limit,
        "Set limits by hand",
        body=applications.LimitInput,
        writes=True,
        answers=_ACTION,
    ),
    Operation(
        "DELETE",
        "/apps/{name}/limit",
        applications.delete_limit,
        "Lift the limits set by hand",
        writes=True,
        answers=_ACTION,
    ),
    Operation("POST", "/preview", preview.post_preview, "What if: rates before and after", body=preview.PreviewInput),
    Operation(
        "PUT",
        "/pause",
        applications.put_pause,
        "Pause the enforcer",
        body=applications.PauseInput,
        writes=True,
        answers=_ACTION,
    ),
    Operation("DELETE", "/pause", applications.delete_pause, "Resume the enforcer", writes=True, answers=_ACTION),
    Operation("GET", "/usage", stored.get_usage, "Totals over a period", query=stored.UsageInput, media=_CSV),
    Operation(
        "GET", "/query/{measurement}", stored.get_query, "Rows of a measurement", query=stored.QueryInput, media=_CSV
    ),
    Operation("GET", "/timeline", stored.get_timeline, "Everything over a period", query=stored.TimelineInput),
    Operation("GET", "/incidents", stored.get_incidents, "Lag incidents", query=stored.IncidentsInput),
    Operation("GET", "/incidents/{id}", stored.get_incident, "One lag incident and the traffic around it"),
    Operation("GET", "/forecast", stored.get_forecast, "The newest forecasts", query=stored.ForecastInput),
    Operation("GET", "/forecast/scores", stored.get_scores, "How good the models were on later data"),
    Operation("GET", "/history", applications.list_actions, "What was done here", query=applications.PageInput),
    Operation("POST", "/history/{id}/undo", applications.undo, "Undo an action", body=NoInput, writes=True),
    Operation(
        "GET",
        "/events",
        _stream,
        "Server-sent events: history, live; Last-Event-ID",
        media=("text/event-stream",),
        stream=True,
    ),
    Operation("GET", "/happenings", stored.get_events, "Events of a period", query=stored.IncidentsInput),
    Operation("GET", "/status", settings.get_status, "How the agent goes"),
    Operation("GET", "/config", settings.get_config, "The settings in force; ETag for If-Match"),
    Operation("POST", "/config/check", settings.post_check, "Check settings", body=settings.TextInput),
    Operation(
        "PUT",
        "/config",
        settings.put_config,
        "Save the settings",
        body=settings.TextInput,
        writes=True,
        answers=_ACTION,
    ),
    Operation(
        "PATCH",
        "/config",
        settings.patch_config,
        "Change single keys",
        body=settings.ChangesInput,
        writes=True,
        answers=_ACTION,
    ),
    Operation("GET", "//openapi.json", get_openapi, "This description", access="open"),
    Operation(
        "GET", "//metrics", metrics.get_metrics, "Prometheus exposition", access="metrics", media=("text/plain",)
    ),
)
