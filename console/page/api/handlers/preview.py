"""What if: rates before and after hypothetical overrides. Writes nothing."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from console.page.api.handlers.steering import rate_of
from console.page.api.operation import Answer, Call, Input
from console.page.what_if import Tick, compare
from console.steering.overrides import read_overrides
from console.views.enforcement import read_enforcement
from qos.contract.config import Link
from qos.contract.documents.override import Override
from qos.store import Reader
from qos.system import clock

_LOOK_NS: Final = 12 * 10**9
_Rate = Annotated[str | None, Field(max_length=40, examples=["2mbit"])]


class HypotheticalInput(Input):
    """What would be set by hand for one application; what is left out stays as it is, null takes it back."""

    level: Annotated[int | None, Field(ge=0, le=5)] = None
    down: _Rate = None
    up: _Rate = None

    @field_validator("down", "up")
    @classmethod
    def _rates(cls, value: str | None) -> str | None:
        rate_of(value)
        return value


class PreviewInput(Input):
    """Hypothetical overrides by application."""

    overrides: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=256)], HypotheticalInput], Field(min_length=1, max_length=50)
    ]


def post_preview(call: Call) -> Answer:
    """Rates before and after."""
    service, now_ns = call.service, call.now_ns
    ticks = recorded(service.store, now_ns - _LOOK_NS, now_ns, service.config.interval)
    notes = [] if ticks else ["nothing was measured in the last seconds: the rates are zero"]
    ticks = ticks or [Tick(now_ns, {})]
    now = read_overrides(service.store, now_ns)
    then = dict(now)
    for app, wanted in call.body.overrides.items():
        then[app] = _override(then.get(app, Override()), wanted)
    link, source = known_link(service.config.link, service.store, now_ns)
    changes = compare(service.config, link=link, ticks=ticks, now=now, then=then, at=clock.local_time(now_ns))
    if source:
        notes.append(source)
    if (note := read_enforcement(service.store, service.config, now_ns).note()) is not None:
        notes.append(note)
    notes.append("rates over the last seconds; what a queue costs in milliseconds is not predicted")
    body: dict[str, Any] = {"seconds": _LOOK_NS // 10**9, "link": link.model_dump(), "notes": notes}
    wanted_apps = set(call.body.overrides)
    body["apps"] = [
        asdict(change)
        for change in changes
        if change.app in wanted_apps or change.down.now_bps + change.up.now_bps >= 8000
    ][:30]
    return Answer(body)


def _override(old: Override, wanted: HypotheticalInput) -> Override:
    given = wanted.model_fields_set
    found = old
    if "level" in given:
        found = replace(found, priority=wanted.level)
    if "down" in given:
        found = replace(found, down_bps=rate_of(wanted.down))
    if "up" in given:
        found = replace(found, up_bps=rate_of(wanted.up))
    return found


def known_link(link: Link, reader: Reader, now_ns: int) -> tuple[Link, str]:
    """The line's capacity: as set, else as learned in the last day; with a sentence that says which."""
    if link.down is not None and link.up is not None:
        return link, ""
    columns = reader.read("link_estimate", ["capacity_bps"], start_ns=now_ns - 86400 * 10**9)
    learned = dict(zip(columns["direction"], columns["capacity_bps"], strict=True))
    found = link.model_copy(update={"down": link.down or learned.get("down"), "up": link.up or learned.get("up")})
    if found.down is None and found.up is None:
        return found, "the line's capacity is not known (link.down, link.up): levels share nothing, only limits hold"
    return found, "the line's capacity is as learned" if learned else ""


def recorded(reader: Reader, start_ns: int, stop_ns: int, interval_ns: int) -> list[Tick]:
    """The recorded ticks of a period."""
    host = reader.read(
        "host_traffic",
        ["unattributed_rx_bytes", "unattributed_tx_bytes"],
        start_ns=start_ns,
        stop_ns=stop_ns,
        every_ns=interval_ns,
        aggregate="sum",
        by=(),
    )
    rows = reader.read(
        "app_traffic",
        ["rx_bytes", "tx_bytes"],
        start_ns=start_ns,
        stop_ns=stop_ns,
        every_ns=interval_ns,
        aggregate="sum",
        by=("app",),
    )
    scale = 8 * 10**9 / interval_ns
    apps: dict[int, dict[str, tuple[int, int]]] = {time_ns: {} for time_ns in host["time_ns"]}
    for index, time_ns in enumerate(rows["time_ns"]):
        rates = (round((rows["rx_bytes"][index] or 0) * scale), round((rows["tx_bytes"][index] or 0) * scale))
        apps.setdefault(time_ns, {})[rows["app"][index]] = rates
    unnamed = {
        time_ns: (round((rx or 0) * scale), round((tx or 0) * scale))
        for time_ns, rx, tx in zip(
            host["time_ns"], host["unattributed_rx_bytes"], host["unattributed_tx_bytes"], strict=True
        )
    }
    return [Tick(time_ns, apps[time_ns], unnamed.get(time_ns, (0, 0))) for time_ns in sorted(apps)]
