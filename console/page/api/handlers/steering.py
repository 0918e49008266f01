"""What is done by hand: priority, limits, pause and mode with their inverses; the list of it, and undoing."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field, field_validator

from console.page.api.handlers.applications import etag_of
from console.page.api.operation import Answer, Call, Input
from console.page.problems import Fault, Problem
from console.steering import action_log, overrides
from console.steering.action_log import Action, Kind
from console.steering.mode import change_mode
from console.steering.undoable import ChangedSinceError, Hand
from console.views.enforcement import known_apps, read_enforcement
from console.views.times import local_time
from qos.contract.documents.mode import EnforcerMode
from qos.contract.errors import ConfigError
from qos.contract.units import format_bps, parse_duration_ns, parse_rate_bps

_MOST_SPAN_NS: Final = 10 * 365 * 86400 * 10**9


class LevelInput(Input):
    """A priority: 0 (critical, never limited) to 5 (background)."""

    level: Annotated[int, Field(ge=0, le=5)]


def rate_of(value: object) -> int | None:
    if value is None:
        return None
    rate = parse_rate_bps(value)
    if rate <= 0:
        raise ValueError("a rate must be more than zero; null is no limit")
    return rate


def span_of(value: object) -> int | None:
    if value is None:
        return None
    span_ns = parse_duration_ns(value)
    if not 0 < span_ns <= _MOST_SPAN_NS:
        raise ValueError("a duration must be more than zero and at most ten years")
    return span_ns


_RateText = Annotated[str | None, Field(max_length=40, examples=["2mbit"])]
_SpanText = Annotated[str | None, Field(alias="for", max_length=40, examples=["2h"])]


class LimitInput(Input):
    """Rates with units; null: no limit in that direction. ``for``: how long; null: for good."""

    down: _RateText = None
    up: _RateText = None
    span: _SpanText = None

    @field_validator("down", "up")
    @classmethod
    def _rates(cls, value: str | None) -> str | None:
        rate_of(value)
        return value

    @field_validator("span")
    @classmethod
    def _spans(cls, value: str | None) -> str | None:
        span_of(value)
        return value


class PauseInput(Input):
    """``for``: how long; null: until somebody resumes."""

    span: _SpanText = None

    @field_validator("span")
    @classmethod
    def _spans(cls, value: str | None) -> str | None:
        span_of(value)
        return value


class ModeInput(Input):
    """``observe`` measures only, ``dry_run`` decides and reports, ``enforce`` holds packets."""

    mode: EnforcerMode


def put_priority(call: Call) -> Answer:
    """Set a level by hand."""
    name = _writable_name(call)
    level = call.body.level
    said = f"{name}: priority {level} ({call.service.config.levels[level].name})"
    return _act(call, "priority", name, {"priority": level}, said)


def delete_priority(call: Call) -> Answer:
    """Back to the rules."""
    name = _writable_name(call)
    return _act(call, "priority", name, {"priority": None}, f"{name}: priority is automatic again")


def put_limit(call: Call) -> Answer:
    """Set rates by hand."""
    name = _writable_name(call)
    down_bps, up_bps, span_ns = rate_of(call.body.down), rate_of(call.body.up), span_of(call.body.span)
    if down_bps is None and up_bps is None:
        detail = "name a rate: down, up or both; DELETE lifts a limit"
        raise Problem(422, detail, [Fault("down", detail)])
    until_ns = call.now_ns + span_ns if span_ns is not None else None
    sides = [f"{side} {format_bps(bps)}" for side, bps in (("down", down_bps), ("up", up_bps)) if bps is not None]
    until = f" until {local_time(until_ns)}" if until_ns is not None else ""
    value = {"down_bps": down_bps, "up_bps": up_bps, "until_ns": until_ns}
    return _act(call, "limit", name, value, f"{name}: at most {', '.join(sides)}{until}")


def delete_limit(call: Call) -> Answer:
    """No limit by hand."""
    name = _writable_name(call)
    value = {"down_bps": None, "up_bps": None, "until_ns": None}
    return _act(call, "limit", name, value, f"{name}: no limit by hand")


def put_pause(call: Call) -> Answer:
    """Switch the enforcer off."""
    span_ns = span_of(call.body.span)
    until_ns = call.now_ns + span_ns if span_ns is not None else None
    until = f"until {local_time(until_ns)}" if until_ns is not None else "until somebody resumes it"
    return _act(call, "pause", "enforcer", {"paused": True, "until_ns": until_ns}, f"enforcer paused {until}")


def delete_pause(call: Call) -> Answer:
    """Switch it on again."""
    return _act(call, "pause", "enforcer", {"paused": False, "until_ns": None}, "enforcer resumed")


def put_mode(call: Call) -> Answer:
    """What the enforcer does: written into config.yaml, or into the store where there is none."""
    try:
        lines, action = change_mode(call.service.context, hand_of(call), call.body.mode)
    except ConfigError as error:
        raise Problem(409, error.lines[0]) from None
    said = action.said if action is not None else f"mode: {call.body.mode}"
    effect = " ".join(lines)
    return Answer({"state": {"mode": call.body.mode}, "said": said, "inverse": inverse(action), "effect": effect})


def list_actions(call: Call) -> Answer:
    """What was done by hand, newest first."""
    start, stop = call.query.cursor, call.query.cursor + call.query.limit
    return Answer({"actions": [action.document() for action in action_log.recent(call.service.store)[start:stop]]})


def undo(call: Call) -> Answer:
    """Set what was before; 409 when somebody changed it since."""
    text, store = call.path["id"], call.service.store
    action = action_log.find(store, int(text)) if text.isdecimal() and len(text) <= 19 else None
    if action is None:
        raise Problem(404, "there is no such action: see /api/v1/history")
    state = {name: value for name, value in action.before.items() if name != "text"}
    if action.undone:
        return Answer({"state": state, "said": f"undone already: {action.said}", "effect": None})
    try:
        said = hand_of(call).undo(action, call.service.context.config_path)
    except ChangedSinceError as error:
        raise Problem(409, str(error)) from None
    except ConfigError as error:
        raise Problem(409, error.lines[0]) from None
    return Answer({"state": state, "said": said, "effect": _effect(call)})


def _act(call: Call, kind: Kind, subject: str, value: dict[str, Any], said: str) -> Answer:
    store = call.service.store
    wanted = call.headers.get("if-match")
    if wanted is not None and kind != "pause" and wanted != "*":
        override = overrides.read_override(store, subject, call.now_ns)
        if wanted != etag_of(override):
            raise Problem(412, f"{subject} was changed since you looked: look again")
    # a repeated PUT or DELETE changes nothing and is no action
    action = hand_of(call).act(kind, subject, value, said)
    return Answer({"state": value, "said": said, "inverse": inverse(action), "effect": _effect(call)})


def hand_of(call: Call) -> Hand:
    """Who acts in this call."""
    return Hand(call.service.store, call.service.config.host, call.client, call.now_ns)


def inverse(action: Action | None) -> dict[str, str] | None:
    """The request that undoes it."""
    if action is None:
        return None
    return {"id": str(action.id), "method": "POST", "path": f"/api/v1/history/{quote(str(action.id))}/undo"}


def _effect(call: Call) -> str | None:
    return read_enforcement(call.service.store, call.service.config, call.now_ns).note()


def _writable_name(call: Call) -> str:
    """The application that is meant: a known one whatever its case, else the name as it is."""
    name, _ = overrides.match_name(call.path["name"], known_apps(call.service.store))
    if not name or not name.isprintable():
        raise Problem(422, "an application's name has no control characters", [Fault("name", "control characters")])
    return name
