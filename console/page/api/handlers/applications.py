"""Applications: what is known of each, and priority, limits and pause with their inverses."""

import hashlib
import json
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field, field_validator

from console.page.api.operation import Answer, Call, Input
from console.page.problems import Fault, Problem
from console.steering import action_log, overrides
from console.steering.action_log import Action, Kind
from console.views.enforcement import known_apps, read_enforcement
from console.views.enforcement_table import explain
from console.views.history.usage import usage
from console.views.policy_preview import decide, identify
from console.views.times import local_time, rfc3339
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override
from qos.contract.errors import StoreUnavailable
from qos.contract.points import Event
from qos.contract.units import format_bps, parse_duration_ns, parse_rate_bps

_MOST_SPAN_NS: Final = 10 * 365 * 86400 * 10**9


class PageInput(Input):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    cursor: Annotated[int, Field(ge=0, le=10**6)] = 0


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


def list_apps(call: Call) -> Answer:
    """Every application, the busiest first."""
    found = read_enforcement(call.service.store, call.service.config, call.now_ns)
    by_hand = overrides.read_overrides(call.service.store, call.now_ns)
    start, stop = call.query.cursor, call.query.cursor + call.query.limit
    apps = [policy.document() | {"hand": _hand(by_hand.get(policy.app))} for policy in found.apps[start:stop]]
    body: dict[str, Any] = {"mode": found.mode, "running": found.running, "paused": found.paused, "apps": apps}
    if stop < len(found.apps):
        body["next"] = stop
    return Answer(body)


def get_app(call: Call) -> Answer:
    """One application: policy, what is set by hand, processes, what it moved today and this month."""
    service, name = call.service, call.path["name"]
    store = service.store
    live = Live.parse(store.get_state(Live.KEY))
    fresh = live is not None and live.fresh(call.now_ns)
    by_hand = overrides.read_override(store, name, call.now_ns)
    policy = read_enforcement(store, service.config, call.now_ns).find(name)
    start_ns = call.now_ns - 86400 * 10**9
    day = next((row for row in usage(store, start_ns, call.now_ns, "app").rows if row.app == name), None)
    if policy is None and day is None and name not in known_apps(store) and by_hand.empty:
        month = usage(store, call.now_ns - 62 * 86400 * 10**9, call.now_ns, "app").rows
        if all(row.app != name for row in month):
            raise Problem(404, "no application of this name was seen lately")
    processes = [row.dump() for row in live.processes if row.app == name] if live is not None and fresh else []
    body = {
        "app": name,
        "policy": policy.document() if policy is not None else None,
        "hand": _hand(by_hand),
        "why": _why(call, name, by_hand),
        "processes": processes,
        "last_day": {"rx_bytes": day.rx_bytes, "tx_bytes": day.tx_bytes} if day is not None else None,
    }
    return Answer(body, headers={"ETag": _etag(by_hand)})


def get_why(call: Call) -> Answer:
    """The chain of reasons, in sentences."""
    name = call.path["name"]
    by_hand = overrides.read_override(call.service.store, name, call.now_ns)
    return Answer({"app": name, "why": _why(call, name, by_hand)})


def _why(call: Call, name: str, by_hand: Override) -> list[str]:
    service = call.service
    found = read_enforcement(service.store, service.config, call.now_ns)
    live = Live.parse(service.store.get_state(Live.KEY))
    decision = None
    if not found.running:
        who = identify(service.config, name, live if live is not None and live.fresh(call.now_ns) else None)
        decision = decide(service.config, who, by_hand, call.now_ns)
    return [line.strip() for line in explain(found, service.config, name, by_hand, decision)]


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


def list_actions(call: Call) -> Answer:
    """What was done from here, newest first."""
    actions = action_log.recent(call.service.store)[: call.query.limit]
    return Answer({"actions": [_action(action) for action in actions]})


def undo(call: Call) -> Answer:
    """Set what was before; 409 when somebody changed it since."""
    text = call.path["id"]
    action = action_log.find(call.service.store, int(text)) if text.isdecimal() and len(text) <= 19 else None
    if action is None:
        raise Problem(404, "there is no such action: see /api/v1/history")
    if action.undone:
        return Answer({"state": dict(action.before), "said": f"undone already: {action.said}", "effect": None})
    if action.kind == "config":
        from console.page.api.handlers.settings import undo_config

        undo_config(call, action)
    else:
        now = action_log.current(call.service.store, action.kind, action.subject, call.now_ns)
        if now != dict(action.after):
            raise Problem(409, f"{action.subject} was changed since: undoing this would undo that change too")
        action_log.apply(call.service.store, action.kind, action.subject, action.before, call.now_ns)
    action_log.mark_undone(call.service.store, action)
    said = f"undone: {action.said}"
    _tell(call, action.subject, said)
    return Answer({"state": dict(action.before), "said": said, "effect": _effect(call)})


def _act(call: Call, kind: Kind, subject: str, value: dict[str, Any], said: str) -> Answer:
    store = call.service.store
    wanted = call.headers.get("if-match")
    if wanted is not None and kind != "pause" and wanted != "*":
        override = overrides.read_override(store, subject, call.now_ns)
        if wanted != _etag(override):
            raise Problem(412, f"{subject} was changed since you looked: look again")
    before = action_log.current(store, kind, subject, call.now_ns)
    if before == value:  # a repeated PUT or DELETE changes nothing and is no action
        return Answer({"state": value, "said": said, "inverse": None, "effect": _effect(call)})
    action_log.apply(store, kind, subject, value, call.now_ns)
    action = keep_action(call, kind, subject, before=before, after=value, said=said)
    return Answer({"state": value, "said": said, "inverse": inverse(action), "effect": _effect(call)})


def keep_action(
    call: Call, kind: Kind, subject: str, *, before: dict[str, Any], after: dict[str, Any], said: str
) -> Action:
    """Write the action down, as something that can be undone and as an event."""
    action = action_log.keep(
        call.service.store, Action(call.now_ns // 1000, call.client, kind, subject, before, after, said)
    )
    _tell(call, subject, said)
    return action


def inverse(action: Action) -> dict[str, str]:
    """The request that undoes it."""
    return {"id": str(action.id), "method": "POST", "path": f"/api/v1/history/{quote(str(action.id))}/undo"}


def _tell(call: Call, subject: str, said: str) -> None:
    event = Event(
        time_ns=call.now_ns,
        host=call.service.config.host,
        part="page",
        kind="action",
        subject=subject,
        message=f"{said} (from the {'page' if call.client == 'page' else 'API'})",
    )
    try:
        call.service.store.write([event])
    except StoreUnavailable:
        return  # the action itself is done and kept; the event is only told


def _effect(call: Call) -> str | None:
    return read_enforcement(call.service.store, call.service.config, call.now_ns).note()


def _writable_name(call: Call) -> str:
    """The application that is meant: a known one whatever its case, else the name as it is."""
    name, _ = overrides.match_name(call.path["name"], known_apps(call.service.store))
    if not name or not name.isprintable():
        raise Problem(422, "an application's name has no control characters", [Fault("name", "control characters")])
    return name


def _hand(by_hand: Override | None) -> dict[str, Any] | None:
    if by_hand is None or by_hand.empty:
        return None
    until = rfc3339(by_hand.until_ns) if by_hand.until_ns is not None else None
    return {
        "priority": by_hand.priority,
        "down_bps": by_hand.down_bps,
        "up_bps": by_hand.up_bps,
        "until": until,
        "until_ms": by_hand.until_ns // 10**6 if by_hand.until_ns is not None else None,
    }


def _etag(override: Override) -> str:
    text = json.dumps([override.priority, override.down_bps, override.up_bps, override.until_ns])
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


def _action(action: Action) -> dict[str, Any]:
    return {
        "id": str(action.id),
        "time": rfc3339(action.id * 1000),
        "client": action.client,
        "kind": action.kind,
        "subject": action.subject,
        "said": action.said,
        "undone": action.undone,
    }
