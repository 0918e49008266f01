"""Ask a running Grafana for everything that its boards show: ``python -m tests.grafana.live URL PASSWORD``.

Every target of every panel goes through ``/api/ds/query``, as a browser would send it, at four ranges; the exit status
is 1 when one fails or a panel stays empty. Run it where ``tests.grafana.history`` was written, as the workflow does.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from grafana.generate.render import ROOT
from tests.grafana.sse import interval_ms, substitute

S = 10**9
RANGES_H = (0.25, 6, 24, 720)
MAY_BE_EMPTY = {"Silent hosts"}
"""Right when nothing is shown: nobody is silent."""


def ask(url: str, password: str, body: dict[str, Any]) -> dict[str, Any]:
    """One ``/api/ds/query``; the results by refId."""
    request = urllib.request.Request(f"{url}/api/ds/query", data=json.dumps(body).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            results: dict[str, Any] = json.loads(answer.read())["results"]
    except urllib.error.HTTPError as error:
        return {"A": {"error": error.read().decode(errors="replace")}}
    return results


def has_values(result: dict[str, Any]) -> bool:
    """Whether a result has a number or a text in it."""
    columns = [column for frame in result.get("frames", []) for column in frame["data"]["values"][1:]]
    return any(value is not None for column in columns for value in column)


def check(url: str, password: str) -> list[str]:
    """What failed or stayed empty."""
    wrong, now = [], time.time_ns()
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for hours in RANGES_H if panel.get("targets") else ():
                window = interval_ms(int(hours * 3_600_000), panel.get("maxDataPoints", 300), 10_000)
                start = now - int(hours * 3600) * S
                common = {"intervalMs": window, "maxDataPoints": 300}
                queries = [
                    {**target, **common, "query": substitute(target["query"], start, now, window)}
                    for target in panel["targets"]
                ]
                body = {"from": str(start // 10**6), "to": str(now // 10**6), "queries": queries}
                results = ask(url, password, body)
                name = f"{path.stem}: {panel['title']} at {hours} h"
                wrong += [f"{name}: {result['error']}" for result in results.values() if result.get("error")]
                sparse = not any("$__interval" in target["query"] for target in panel["targets"])
                if panel["title"] in MAY_BE_EMPTY or (sparse and hours < 24):
                    continue
                if not any(map(has_values, results.values())):
                    wrong.append(f"{name}: empty")
    return wrong


if __name__ == "__main__":
    found = check(*sys.argv[1:])
    sys.stdout.write("\n".join(found or ["every panel answers at every range"]) + "\n")
    sys.exit(bool(found))
