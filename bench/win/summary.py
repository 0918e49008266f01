"""The figures of one run: quantiles of the call's extra delay, use of the line, recovery after a change."""

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

from bench.win.scenarios import Scenario


def quantiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cut = statistics.quantiles(values, n=100, method="inclusive")
    names = {"p50": cut[49], "p95": cut[94], "p99": cut[98], "max": max(values)}
    return {name: round(value, 1) for name, value in names.items()}


def summary(
    scenario: Scenario,
    mode: str,
    call: dict[str, Any],
    rows: list[tuple[float, int, int]],
    load_ns: int,
    span: float,
    limits: dict[str, Any],
    log_rows: list[dict[str, Any]],
    events: list[str],
    cpu: float,
) -> dict[str, Any]:
    answers = [((sent - load_ns) / 1e9, rtt / 1e6) for _, sent, rtt in call["answers"]]
    idle = statistics.median([rtt for at, rtt in answers if at < -1] or [rtt for _, rtt in answers] or [0.0])
    extra = [(at, max(0.0, rtt - idle)) for at, rtt in answers]
    first = [value for at, value in extra if 0 <= at < 5]
    later = [value for at, value in extra if 5 <= at < span - 1]
    after_one = [value for at, value in extra if 1 <= at < span - 1]
    lines = []
    for (then, down, up), (now, down2, up2) in itertools.pairwise(rows):
        at = now - load_ns / 1e9
        factor = 8 / (now - then) / 1e6
        lines.append((at, (down2 - down) * factor, (up2 - up) * factor))
    loaded = [(at, down, up) for at, down, up in lines if 5 <= at < span - 1]
    held = [row for row in log_rows if any(down or up for down, up, _ in row["held"].values())]
    delayed = limits.get("apps", {}).get("call", {}).get("delayed_packets", 0)
    result: dict[str, Any] = {
        "scenario": scenario.name,
        "mode": mode,
        "line": f"{scenario.down:g}/{scenario.up:g} Mbit/s, {scenario.buffer_ms:g} ms, {scenario.control}",
        "call_idle_ms": round(idle, 2),
        "call_extra_first_5s_ms": quantiles(first),
        "call_extra_after_1s_ms": quantiles(after_one),
        "call_extra_later_ms": quantiles(later),
        "longest_above_150ms_s": longest_above(extra, 150, span),
        "call_lost": call["sent"] - len(answers),
        "call_delayed_packets": max([delayed, *(row["held"].get("call", (0, 0, 0))[2] or 0 for row in log_rows)]),
        "call_was_held": any(any(row["held"].get("call", (None, None))[:2]) for row in log_rows),
        "first_held_s": held[0]["s"] if held else None,
        "line_used_down_mbit": round(statistics.mean([down for _, down, _ in loaded]), 2) if loaded else None,
        "line_used_up_mbit": round(statistics.mean([up for _, _, up in loaded]), 2) if loaded else None,
        "enforcer_cpu_percent": cpu,
        "state": limits.get("state"),
        "events": events[-12:],
    }
    if scenario.changes:
        result["changes"] = [recovery(scenario, lines, number, span) for number in range(len(scenario.changes))]
    result["series"] = {"extra": extra, "line": lines, "control": log_rows}
    return result


def longest_above(extra: Sequence[tuple[float, float]], ms: float, span: float) -> float:
    longest, since = 0.0, None
    for at, value in extra:
        if at < 0 or at > span - 1:
            continue
        if value > ms:
            since = at if since is None else since
            longest = max(longest, at - since)
        else:
            since = None
    return round(longest, 2)


def recovery(scenario: Scenario, lines: list[tuple[float, float, float]], number: int, span: float) -> dict[str, Any]:
    """After a change of the line: what is used of the new one in 20 s, and when 90 % is reached for a second."""
    start, down, _ = scenario.changes[number]
    end = scenario.changes[number + 1][0] if number + 1 < len(scenario.changes) else span - 1
    window = [(at, used) for at, used, _ in lines if start + 0.5 <= at < min(end, start + 20)]
    capacity = down * 1500 / 1514
    reached = None
    for at, _ in window:
        second = [used for then, used in window if at <= then < at + 1]
        if second and statistics.mean(second) >= 0.9 * capacity:
            reached = round(at - start, 1)
            break
    return {
        "to_mbit": down,
        "used_percent": round(100 * statistics.mean([used for _, used in window]) / capacity, 1) if window else None,
        "ninety_percent_after_s": reached,
    }
