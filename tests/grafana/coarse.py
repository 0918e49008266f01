"""Coarse rows as the agent ships them (docs/decisions/0070), made from points: what long ranges are queried against."""

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator

from qos.contract.points import Point, escape_tag, spec_of
from tests.servers import InfluxQL, call

S = 10**9
POLICIES = {"5m": 300, "1h": 3600}
"""Retention policy (in 2.x: the bucket ``DATABASE/POLICY``) → window in seconds."""


@contextlib.contextmanager
def policies(database: InfluxQL) -> Iterator[None]:
    """Make the two coarse retention policies of a test's database, and drop what a 2.x server would keep."""
    made = []
    for policy in POLICIES:
        if database.real:
            orgs = json.loads(call(database.url + "/api/v2/orgs", query={"org": database.org}, token=database.token))
            body = {"orgID": orgs["orgs"][0]["id"], "name": f"{database.bucket}/{policy}", "retentionRules": []}
            answer = call(database.url + "/api/v2/buckets", body=json.dumps(body).encode(), token=database.token)
            made.append(json.loads(answer)["id"])
        else:
            statement = f'CREATE RETENTION POLICY "{policy}" ON "{database.bucket}" DURATION 0s REPLICATION 1'
            call(database.url + "/query", query={"q": statement}, body=b"")
    try:
        yield
    finally:
        for bucket in made:
            call(f"{database.url}/api/v2/buckets/{bucket}", token=database.token, method="DELETE")


def write_coarse(database: InfluxQL, points: Iterable[Point]) -> None:
    """Write the points' windows of 5 minutes and of an hour."""
    kept = list(points)
    for policy, window_s in POLICIES.items():
        write_lines(database, policy, windows(kept, window_s))


def write_lines(database: InfluxQL, policy: str, lines: Iterable[str]) -> None:
    """Write line protocol into one retention policy."""
    query = {"db": database.bucket, "rp": policy, "precision": "ns"}
    call(database.url + "/write", query=query, body="\n".join(lines).encode(), token=database.token)


def windows(points: Iterable[Point], window_s: int) -> Iterator[str]:
    """One line per measurement, tag set and window."""
    groups: dict[tuple[type[Point], tuple[str, ...], int], list[Point]] = defaultdict(list)
    for point in points:
        start = point.time_ns // (window_s * S) * window_s * S
        groups[type(point), tuple(point.tags.values()), start].append(point)
    for (kind, tags, start), rows in groups.items():
        spec = spec_of(kind)
        if spec.name in ("forecast", "forecast_score", "event", "link", "link_estimate", "lag_incident", "lag_cause"):
            continue
        named = "".join(f",{name}={escape_tag(value)}" for name, value in zip(spec.tags, tags, strict=True))
        values = [f"n={len(rows)}i"]
        for field in spec.fields:
            found = [row.values[field.name] for row in rows if field.name in row.values]
            values += _rolled(field.name, field.rollup, field.kind, found)
        yield f"{spec.name}{named} {','.join(values)} {start}"


def _rolled(name: str, rollup: str, kind: str, found: list[int | float | str]) -> list[str]:
    suffix = "i" if kind == "int" else ""
    if kind == "str":
        return [f'{name}="{found[-1]}"'] if found else []
    numbers = [value for value in found if not isinstance(value, str)]
    if rollup == "mean":
        fields = [f"{name}_n={len(numbers)}i"]
        if numbers:
            total = float(sum(numbers))
            fields += [f"{name}={total / len(numbers)}", f"{name}_sum={total}"]
            fields += [f"{name}_min={min(numbers)}{suffix}", f"{name}_max={max(numbers)}{suffix}"]
        if name == "rtt_ms" and numbers:
            ordered = sorted(numbers)
            for percent in (50, 95):
                rank = max(0, int(len(ordered) * percent / 100 + 0.5) - 1)
                fields.append(f"{name}_p{percent}={float(ordered[rank])}")
        return fields
    if not numbers:
        return []
    if rollup == "sum":
        return [f"{name}={sum(numbers)}{suffix}", f"{name}_max={max(numbers)}{suffix}"]
    return [f"{name}={(max(numbers) if rollup == 'max' else numbers[-1])}{suffix}"]
