"""The table of operations: what the API can do, in one place. Requests are answered and the OpenAPI made from it."""

from typing import Final

from console.page.api.answers import agent, measured
from console.page.api.answers import steering as answers
from console.page.api.handlers import applications, metrics, preview, session, settings, steering, stored
from console.page.api.handlers.describe import get_openapi
from console.page.api.operation import Answer, Call, NoInput, Operation

_JSON: Final = "application/json"
_CSV: Final = (_JSON, "text/csv")


def _stream(_call: Call) -> Answer:
    raise AssertionError("streams are answered by console.page.live.stream")


def _session() -> tuple[Operation, ...]:
    return (
        Operation(
            "POST",
            "/session",
            session.log_in,
            "A token for a one-time code",
            body=session.CodeInput,
            access="open",
            answer=answers.SessionAnswer,
            status=201,
        ),
        Operation("DELETE", "/session", session.log_out, "Log out: the token ends", status=204, media=()),
    )


def _applications() -> tuple[Operation, ...]:
    page = applications.PageInput
    return (
        Operation(
            "GET",
            "/apps",
            applications.list_apps,
            "Applications, the busiest first",
            query=page,
            answer=answers.AppListAnswer,
        ),
        Operation(
            "GET",
            "/apps/{name}",
            applications.get_app,
            "One application; ETag for If-Match",
            answer=answers.AppAnswer,
        ),
        Operation(
            "GET",
            "/apps/{name}/why",
            applications.get_why,
            "Why it has its priority and limits, in sentences",
            answer=answers.WhyAnswer,
        ),
        Operation(
            "POST",
            "/preview",
            preview.post_preview,
            "What if: rates before and after",
            body=preview.PreviewInput,
            answer=answers.PreviewAnswer,
        ),
        Operation(
            "GET",
            "/history",
            steering.list_actions,
            "What was done by hand: page, API and terminal",
            query=page,
            answer=answers.ActionListAnswer,
        ),
    )


def _writes() -> tuple[Operation, ...]:
    done, level, limit = answers.DoneAnswer, "/apps/{name}/priority", "/apps/{name}/limit"
    return (
        Operation(
            "PUT",
            level,
            steering.put_priority,
            "Set a priority by hand",
            body=steering.LevelInput,
            writes=True,
            answer=done,
        ),
        Operation("DELETE", level, steering.delete_priority, "Priority back to the rules", writes=True, answer=done),
        Operation(
            "PUT", limit, steering.put_limit, "Set limits by hand", body=steering.LimitInput, writes=True, answer=done
        ),
        Operation("DELETE", limit, steering.delete_limit, "Lift the limits set by hand", writes=True, answer=done),
        Operation(
            "PUT",
            "/pause",
            steering.put_pause,
            "Pause the enforcer",
            body=steering.PauseInput,
            writes=True,
            answer=done,
        ),
        Operation("DELETE", "/pause", steering.delete_pause, "Resume the enforcer", writes=True, answer=done),
        Operation(
            "PUT", "/mode", steering.put_mode, "Switch the enforcer", body=steering.ModeInput, writes=True, answer=done
        ),
        Operation(
            "POST",
            "/history/{id}/undo",
            steering.undo,
            "Undo an action; 409 if changed since",
            body=NoInput,
            writes=True,
            answer=answers.UndoneAnswer,
        ),
        Operation(
            "PUT",
            "/config",
            settings.put_config,
            "Save the settings",
            body=settings.TextInput,
            writes=True,
            answer=done,
        ),
        Operation(
            "PATCH",
            "/config",
            settings.patch_config,
            "Change single keys",
            body=settings.ChangesInput,
            writes=True,
            answer=done,
        ),
    )


def _measured() -> tuple[Operation, ...]:
    period = stored.IncidentsInput
    return (
        Operation(
            "GET",
            "/usage",
            stored.get_usage,
            "Totals over a period",
            query=stored.UsageInput,
            media=_CSV,
            answer=measured.UsageAnswer,
        ),
        Operation(
            "GET",
            "/query/{measurement}",
            stored.get_query,
            "Rows of a measurement",
            query=stored.QueryInput,
            media=_CSV,
            answer=measured.QueryAnswer,
        ),
        Operation(
            "GET",
            "/timeline",
            stored.get_timeline,
            "Everything over a period",
            query=stored.TimelineInput,
            answer=measured.TimelineAnswer,
        ),
        Operation(
            "GET",
            "/incidents",
            stored.get_incidents,
            "Lag incidents",
            query=period,
            answer=measured.IncidentListAnswer,
        ),
        Operation(
            "GET",
            "/incidents/{id}",
            stored.get_incident,
            "One lag incident and the traffic around it",
            answer=measured.IncidentAnswer,
        ),
        Operation(
            "GET",
            "/forecast",
            stored.get_forecast,
            "The newest forecasts",
            query=stored.ForecastInput,
            answer=measured.ForecastAnswer,
        ),
        Operation(
            "GET",
            "/forecast/scores",
            stored.get_scores,
            "How good the models were on later data",
            answer=measured.ScoreListAnswer,
        ),
        Operation(
            "GET",
            "/happenings",
            stored.get_events,
            "Events of a period",
            query=period,
            answer=measured.EventListAnswer,
        ),
        Operation(
            "GET",
            "/events",
            _stream,
            "Server-sent events; Last-Event-ID shortens the history",
            media=("text/event-stream",),
            events={
                "history": measured.HistoryFrame,
                "live": measured.LiveFrame,
                "action": answers.ActionEntry,
                "incident": measured.IncidentEntry,
                "trouble": measured.TroubleFrame,
            },
        ),
    )


def _agent() -> tuple[Operation, ...]:
    return (
        Operation("GET", "/status", settings.get_status, "How the agent goes", answer=agent.StatusAnswer),
        Operation(
            "GET",
            "/config",
            settings.get_config,
            "The settings in force; ETag for If-Match",
            answer=agent.ConfigAnswer,
        ),
        Operation(
            "POST",
            "/config/check",
            settings.post_check,
            "Check settings",
            body=settings.TextInput,
            answer=agent.CheckAnswer,
        ),
        Operation("GET", "//openapi.json", get_openapi, "This description", access="open", answer=dict),
        Operation(
            "GET", "//metrics", metrics.get_metrics, "Prometheus exposition", access="metrics", media=("text/plain",)
        ),
    )


OPERATIONS: Final[tuple[Operation, ...]] = (*_session(), *_applications(), *_writes(), *_measured(), *_agent())
