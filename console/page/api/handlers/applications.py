"""Applications: what is known of each, and why it is treated so."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from console.page.api.operation import Answer, Call, Input
from console.page.problems import Problem
from console.steering import overrides
from console.views.enforcement import known_apps, read_enforcement
from console.views.enforcement_table import explain
from console.views.history.usage import usage
from console.views.policy_preview import decide, identify
from console.views.times import rfc3339
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override


class PageInput(Input):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    cursor: Annotated[int, Field(ge=0, le=10**6)] = 0


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
    return Answer(body, headers={"ETag": etag_of(by_hand)})


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


def etag_of(override: Override) -> str:
    """What ``If-Match`` is compared with."""
    text = json.dumps([override.priority, override.down_bps, override.up_bps, override.until_ns])
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
