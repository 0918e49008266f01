"""Grafana's server-side expressions, as much as our rules use: reduce, math, threshold over labelled series.

Semantics from Grafana's documentation ("Write expression queries"): numbers of two queries join where one label set is
a subset of the other; what does not join is dropped. Comparisons give 1 or 0.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.servers import InfluxQL

Labels = frozenset[tuple[str, str]]
Numbers = dict[Labels, float]

REDUCERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "min": min,
    "last": lambda values: values[-1],
    "sum": sum,
    "count": len,
}


def substitute(
    query: str,
    start_ns: int,
    stop_ns: int,
    interval_ms: int = 60_000,
    detail: str = "auto",
    top: Sequence[str] = (".*",),
) -> str:
    """Grafana's macros and dashboard variables, all chosen; times in whole milliseconds, as Grafana has them."""
    query = re.sub(r"\$top\b", f"({'|'.join(top)})" if len(top) > 1 else top[0], query)
    query = query.replace("$timeFilter", f"time >= {start_ns} AND time <= {stop_ns}")
    for name, value_ns in (("from", start_ns), ("to", stop_ns)):
        text = str(value_ns // 1_000_000)
        query = query.replace(f"${{__{name}}}", text).replace(f"$__{name}", text)
    query = query.replace("$__interval_ms", str(interval_ms)).replace("$__interval", f"{interval_ms}ms")
    return re.sub(r"\$(host|app|target)\b", ".*", query.replace("$detail", detail))


ROUNDED_MS = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000), (7500, 5000),
    (12500, 10_000), (17500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000),
    (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000),
    (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000), (32_400_000, 21_600_000),
    (86_400_000, 43_200_000), (604_800_000, 86_400_000),
)  # fmt: skip
"""``roundInterval`` of packages/grafana-data/src/datetime/rangeutil.ts: below each first value, the second."""


def interval_ms(range_ms: int, max_points: int, least_ms: int) -> int:
    """``$__interval_ms`` of a panel (``calculateInterval`` in the same file)."""
    exact = range_ms / max_points
    rounded = next((value for limit, value in ROUNDED_MS if exact < limit), 604_800_000)
    return max(rounded, least_ms)


def reduce(server: InfluxQL, query: str, reducer: str) -> Numbers:
    """Run a query and reduce each series' numbers, nulls dropped (``dropNN``)."""
    numbers: Numbers = {}
    for series in server.query(query):
        assert len(series["columns"]) == 2, f"an alert's query has one value column: {query}"
        values = [row[1] for row in series["values"] if row[1] is not None]
        assert all(isinstance(value, int | float) for value in values), query
        if values:
            numbers[frozenset((series.get("tags") or {}).items())] = float(REDUCERS[reducer](values))
    return numbers


def math(expression: str, inputs: Mapping[str, Numbers]) -> Numbers:
    """A math node over ``$REF`` variables."""
    source = re.sub(r"\$([A-Za-z_]\w*)", r"\1", expression).replace("&&", " and ").replace("||", " or ")
    return _value(ast.parse(source, mode="eval").body, inputs)


def _value(node: ast.expr, inputs: Mapping[str, Numbers]) -> Numbers:
    if isinstance(node, ast.Name):
        return inputs[node.id]
    if isinstance(node, ast.Constant):
        return {frozenset(): float(node.value)}  # type: ignore[arg-type] # our expressions have numbers only
    if isinstance(node, ast.BoolOp):
        both = all if isinstance(node.op, ast.And) else any
        result = _value(node.values[0], inputs)
        for other in node.values[1:]:
            result = _join(result, _value(other, inputs), lambda a, b: float(both((a != 0, b != 0))))
        return result
    if isinstance(node, ast.Compare):
        compare: dict[type, Callable[[float, float], float]] = {
            ast.Gt: lambda a, b: float(a > b),
            ast.Lt: lambda a, b: float(a < b),
        }
        return _join(_value(node.left, inputs), _value(node.comparators[0], inputs), compare[type(node.ops[0])])
    assert isinstance(node, ast.BinOp), ast.dump(node)
    operate: dict[type, Callable[[float, float], float]] = {ast.Mult: lambda a, b: a * b, ast.Div: lambda a, b: a / b}
    return _join(_value(node.left, inputs), _value(node.right, inputs), operate[type(node.op)])


def _join(left: Numbers, right: Numbers, operate: Callable[[float, float], float]) -> Numbers:
    return {max(a, b, key=len): operate(x, y) for a, x in left.items() for b, y in right.items() if a <= b or b <= a}


def firing(server: InfluxQL, rule: Mapping[str, Any], now_ns: int) -> list[dict[str, str]]:
    """The label sets for which a provisioned rule fires at ``now_ns``."""
    nodes = {node["refId"]: node for node in rule["data"]}
    numbers: dict[str, Numbers] = {}
    for ref, node in nodes.items():
        model = node["model"]
        if model.get("type") == "reduce":
            query = nodes[model["expression"]]
            window = query["relativeTimeRange"]
            start, stop = (now_ns - window[key] * 10**9 for key in ("from", "to"))
            numbers[ref] = reduce(server, substitute(query["model"]["query"], start, stop), model["reducer"])
        elif model.get("type") == "math":
            numbers[ref] = math(model["expression"], numbers)
        elif model.get("type") == "threshold":
            limit = model["conditions"][0]["evaluator"]
            assert limit["type"] == "gt"
            numbers[ref] = {k: float(v > limit["params"][0]) for k, v in numbers[model["expression"]].items()}
    return [dict(labels) for labels, value in numbers[rule["condition"]].items() if value]
