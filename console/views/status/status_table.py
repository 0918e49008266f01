"""The words of ``autoqos status``: short lines, the most important first."""

from collections.abc import Iterator

from console.views.status.status import PartStatus, Status
from console.views.table_format import lag_words, percent
from console.views.times import rough_span
from qos.contract.units import format_bytes


def lines(status: Status) -> Iterator[str]:
    """The lines for people, at most 80 columns where names allow."""
    if status.running:
        yield f"AutoQoS runs: {', '.join(part.part for part in status.running)} (mode {status.mode})"
    else:
        yield "AutoQoS is not running: start it with `autoqos up`"
    if status.paused:
        yield "The enforcer is paused: `autoqos resume` switches it on again"
    yield ""
    for part in status.parts:
        yield _part(part)
    if status.parts:
        yield ""
    live = status.live
    if live is not None:
        if words := lag_words(live):
            yield f"lag       {words.removeprefix('LAG ')}"
        reason = live.backend_reason.removeprefix(live.backend).removeprefix(":").strip()
        yield f"capture   {live.backend}: {reason}" if reason else f"capture   {live.backend}"
        yield f"coverage  {percent(live.coverage)} of the interfaces' bytes named, {live.lost} lost"
        yield from (f"not seen  {text}" for text in live.blind_to)
        yield from (f"note      {text}" for text in live.notes)
    yield from (f"line      {text}" for text in status.line)
    if status.quota:
        from forecaster.quota.words import lines as quota_lines  # numpy only where somebody has a volume to watch

        for one in status.quota:
            yield from (f"quota     {text}" for text in quota_lines(one))
    size = "none yet" if status.store_bytes is None else format_bytes(status.store_bytes)
    yield f"store     {status.store_path} ({size})"
    yield f"settings  {_settings(status)}"
    own = status.document()["self"]
    if status.running:
        yield f"itself    {own['cpu_percent']:.1f} % of one core, {format_bytes(own['rss_bytes'])} of memory"
    if status.outbox is not None:
        yield from _outbox(status.outbox)
    yield status.forecasts


def _settings(status: Status) -> str:
    own, in_force = status.config, status.config_in_force
    if in_force is None or in_force == own:
        return own or "built-in defaults (no config.yaml here)"
    return f"{in_force} (of what runs; {f'this folder has {own}' if own else 'none in this folder'})"


def _part(part: PartStatus) -> str:
    cost = ""
    if part.cpu_percent is not None and part.rss_bytes is not None:
        cost = f"  {part.cpu_percent:4.1f} %  {format_bytes(part.rss_bytes)}"
    # The collector's detail is its backend, which has a line of its own below.
    detail = f"  {part.detail}" if part.detail and part.part != "collector" else ""
    if part.running:
        return f"{part.part:<11}{part.state:<12} PID {part.pid:<8}{cost}{detail}"
    ago = rough_span(int(max(0.0, part.age_s) * 1e9))
    return f"{part.part:<11}{part.state:<12} last heard {ago} ago{detail}"


def _outbox(outbox: dict[str, object]) -> Iterator[str]:
    oldest = outbox.get("oldest_age_s")
    waiting = f"{outbox['rows']} rows waiting"
    if isinstance(oldest, int | float):
        waiting += f", the oldest {rough_span(int(oldest * 1e9))} old"
    yield f"outbox    {outbox['url']}: {waiting}"
    if outbox.get("aged_out"):
        yield f"          {outbox['aged_out']} rows aged out before they were shipped"
    if not outbox.get("running"):
        yield "          the shipper does not run: nothing is sent, `autoqos up` starts it"
    if isinstance(states := outbox.get("states"), list) and states:
        yield from (f"          {state}" for state in states)
    elif outbox.get("last_error"):
        yield f"          last error: {outbox['last_error']}"
    if outbox.get("set_aside"):
        yield f"          {outbox['set_aside']} points set aside: the server did not take them (outbox-rejected.lp in"
        yield "          the data directory says why); `autoqos ship` sends them again"
    if outbox.get("history_error") and not outbox.get("states"):
        yield f"          coarse history not shipped: {outbox['history_error']}"
    elif isinstance(windows := outbox.get("history_waiting"), int) and windows > 20:
        yield f"          coarse history: {windows} windows waiting"
    if isinstance(rate := outbox.get("rate"), int | float):
        yield f"          {rate:.0f} rows/s"
