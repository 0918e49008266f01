"""The coarse history that a server has, against the plainest arithmetic over the store's raw rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from qos.contract.coarse import WIDTHS_NS, CoarseField, bucket, coarse_fields
from qos.contract.config import InfluxConfig
from qos.contract.points import SPECS, Spec
from qos.shipping.client import InfluxClient
from qos.store.sqlite.store import SqliteStore

Key = tuple[Any, ...]
Row = dict[str, Any]
S = 10**9
UNCERTAIN_S = 120
"""A window is sent 90 s after its end."""
_COMBINE: Mapping[str, Callable[[list[Any]], Any]] = {
    "sum": lambda values: math.fsum(values) if isinstance(values[0], float) else sum(values),
    "min": min,
    "max": max,
    "mean": lambda values: math.fsum(values) / len(values),
    "last": lambda values: values[-1],
}


def compare_coarse(store: SqliteStore, settings: InfluxConfig, token: str, end_ns: int, skip: Sequence[str]) -> Row:
    """Every whole window of every measurement but ``skip``: how many rows are missing, strange or differ."""
    rows = missing = strange = different = values = 0
    for policy, width_ns in WIDTHS_NS.items():
        stop_ns = (end_ns - UNCERTAIN_S * S) // width_ns * width_ns
        client = InfluxClient(settings.model_copy(update={"bucket": bucket(settings.bucket, policy)}), SecretStr(token))
        for name, spec in SPECS.items():
            if spec.local or name in skip:
                continue
            expected = _windows(store, spec, width_ns, stop_ns)
            there = _read(client, spec, stop_ns)
            rows += len(expected)
            missing += len(expected.keys() - there.keys())
            strange += len(there.keys() - expected.keys())
            for key in expected.keys() & there.keys():
                values += len(expected[key])
                different += not _equal(expected[key], there[key])
        client.close()
    return {
        "coarse_rows": rows,
        "coarse_values_compared": values,
        "coarse_missing": missing,
        "coarse_strange": strange,
        "coarse_different": different,
    }


def _windows(store: SqliteStore, spec: Spec, width_ns: int, stop_ns: int) -> dict[Key, Row]:
    columns = store.read(spec.name, stop_ns=stop_ns)
    groups: dict[Key, list[int]] = {}
    for at in sorted(range(len(columns["time_ns"])), key=lambda at: columns["time_ns"][at]):
        start_ns = columns["time_ns"][at] // width_ns * width_ns
        groups.setdefault((start_ns, *(columns[tag][at] for tag in spec.tags)), []).append(at)
    fields = tuple(coarse_fields(spec))
    result = {}
    for key, places in groups.items():
        row: Row = {"n": len(places)}
        for f in fields:
            column = columns[f.source.name]
            value = _combined(f, [column[at] for at in places if column[at] is not None])
            if value is not None:
                row[f.name] = value
        result[key] = row
    return result


def _combined(f: CoarseField, values: list[Any]) -> Any:
    if f.part == "n":
        return len(values)
    if not values:
        return None
    if f.part == "percentile":
        # InfluxQL's nearest rank.
        return sorted(values)[min(max(math.floor(len(values) * f.rank / 100 + 0.5) - 1, 0), len(values) - 1)]
    return _COMBINE[f.part](values)


def _read(client: InfluxClient, spec: Spec, stop_ns: int) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for series in client.query(f'SELECT * FROM "{spec.name}" WHERE time < {stop_ns} GROUP BY *'):
        tags = tuple(series.tags[tag] for tag in spec.tags)
        for values in series.values:
            row = {name: value for name, value in zip(series.columns, values, strict=True) if value is not None}
            found[row.pop("time"), *tags] = row
    return found


def _equal(expected: Row, there: Row) -> bool:
    if expected.keys() != there.keys():
        return False
    return all(
        math.isclose(value, there[name], rel_tol=1e-12, abs_tol=1e-9)
        if isinstance(value, float)
        else value == there[name]
        for name, value in expected.items()
    )
