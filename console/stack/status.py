"""``autoqos stack status``: do the servers answer, does the token write, are the buckets there, how old are the points.

Asks over HTTP only, so it works with containers, with servers of one's own, and without Docker.
"""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from console.stack.folder import Stack
from console.stack.server import ask
from console.views.times import rough_span
from qos.contract.coarse import KEPT, bucket
from qos.contract.errors import ConfigError

_OLD_NS: Final = 120 * 10**9


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    text: str

    def line(self) -> str:
        """For people."""
        return f"{'ok  ' if self.ok else 'BAD '} {self.name:<18}{self.text}"


def checks(stack: Stack, now_ns: int) -> Iterator[Check]:
    """All questions, one after the other. ``now_ns`` is UTC."""
    health = ask(f"{stack.url}/health", ca=stack.ca)
    up = health.status == 200
    yield Check("InfluxDB", up, stack.url if up else f"{stack.url}: {_why(health.status, health.text)}")
    if up:
        yield _buckets(stack)
        yield _writes(stack)
        yield _newest(stack, now_ns)
    grafana = ask(f"{stack.grafana}/api/health")
    yield Check("Grafana", grafana.status == 200, _grafana(stack, grafana.status, grafana.text))


def _why(status: int, text: str) -> str:
    return f"does not answer ({text}): docker compose up -d" if status == 0 else f"answers {status}"


def _grafana(stack: Stack, status: int, text: str) -> str:
    if status == 200:
        return stack.grafana
    return f"{stack.grafana}: {_why(status, text)}"


def _buckets(stack: Stack) -> Check:
    wanted = {bucket("autoqos", policy) for policy in KEPT}
    return _checked("buckets", lambda: _missing(wanted - stack.admin().buckets().keys(), wanted))


def _missing(missing: set[str], wanted: set[str]) -> tuple[bool, str]:
    if missing:
        return False, f"{', '.join(sorted(missing))} missing: docker compose up influx-init"
    return True, ", ".join(sorted(wanted))


def _checked(name: str, look: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, text = look()
    except ConfigError as error:
        return Check(name, False, str(error))
    return Check(name, ok, text)


def _writes(stack: Stack) -> Check:
    """An empty write is authorised like any other and stores nothing."""
    token = stack.values.get("INFLUX_TOKEN", "")
    if not token:
        return Check("agent's token", False, "INFLUX_TOKEN is not set in .env: autoqos stack init")
    refused = []
    for policy in KEPT:
        if ":" in token:
            query = {"db": "autoqos"} | ({"rp": policy} if policy else {})
            path = f"/write?{urllib.parse.urlencode(query)}"
        else:
            path = f"/api/v2/write?{urllib.parse.urlencode({'org': 'autoqos', 'bucket': bucket('autoqos', policy)})}"
        # A comment is a body that holds no point.
        answer = ask(stack.url + path, token=token, body=b"# autoqos stack status", method="POST", ca=stack.ca)
        if answer.status >= 300 or answer.status == 0:
            refused.append(f"{bucket('autoqos', policy)}: {answer.status} {answer.text.strip()[:120]}")
    return Check("agent's token", not refused, "; ".join(refused) or "may write")


def _newest(stack: Stack, now_ns: int) -> Check:
    token = stack.values.get("INFLUX_READ_TOKEN") or stack.values.get("INFLUX_ADMIN_TOKEN", "")
    statement = 'SELECT last("rx_bytes") FROM "host_traffic" GROUP BY "host"'
    query = urllib.parse.urlencode({"db": "autoqos", "epoch": "ns", "q": statement})
    answer = ask(f"{stack.url}/query?{query}", token=token, ca=stack.ca)
    if answer.status != 200:
        return Check("newest point", False, f"cannot be read: {answer.status} {answer.text.strip()[:120]}")
    result = json.loads(answer.text)["results"][0]
    found = {one["tags"]["host"]: now_ns - one["values"][0][0] for one in result.get("series", ())}
    if not found:
        return Check("newest point", False, result.get("error") or "none yet: is `influxdb:` set, does `up` run?")
    ages = ", ".join(f"{host} {rough_span(max(0, age))} ago" for host, age in sorted(found.items(), key=lambda i: i[1]))
    return Check("newest point", min(found.values()) < _OLD_NS, ages)
