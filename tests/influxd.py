"""A real InfluxDB 2.x of a test's own: the program that ``AUTOQOS_TEST_INFLUXD`` names (Debian has none).

It can be killed, stopped and started again, unlike the shared server that ``AUTOQOS_TEST_INFLUX_URL`` names.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos.contract.coarse import KEPT, bucket
from tests.servers import Server, call, free_port

PROGRAM = os.environ.get("AUTOQOS_TEST_INFLUXD", "")
needs_influxd = pytest.mark.skipif(not PROGRAM, reason="AUTOQOS_TEST_INFLUXD names no InfluxDB 2.x program")
TOKEN = "operatorsTokenOperatorsToken1234"
ORG = "autoqos"


def command(data: Path, port: int) -> list[str]:
    """How it is started: everything in ``data``, loopback only."""
    words = [PROGRAM, "--reporting-disabled", "--http-bind-address", f"127.0.0.1:{port}"]
    for option, name in (("bolt", "influxd.bolt"), ("sqlite", "influxd.sqlite"), ("engine", "engine")):
        words += [f"--{option}-path", str(data / name)]
    return words


def set_up(url: str) -> None:
    """Organisation, operator's token and the three buckets, as the stack's own first start makes them."""
    first = {"username": "admin", "password": "adminspassword", "org": ORG, "bucket": "autoqos", "token": TOKEN}
    call(url + "/api/v2/setup", body=json.dumps(first).encode())
    org = json.loads(call(url + "/api/v2/orgs", query={"org": ORG}, token=TOKEN))["orgs"][0]["id"]
    for policy in KEPT:
        if policy:
            make_bucket(url, org, bucket("autoqos", policy))


def make_bucket(url: str, org: str, name: str) -> None:
    """One bucket that keeps everything."""
    document = {"orgID": org, "name": name, "retentionRules": []}
    call(url + "/api/v2/buckets", body=json.dumps(document).encode(), token=TOKEN)


@contextlib.contextmanager
def influxd_v2(data: Path) -> Iterator[Server]:
    """Set up and running, with its data in ``data``."""
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = Server(command(data, port), {}, f"http://127.0.0.1:{port}", data)
    server.start()
    try:
        set_up(server.url)
        yield server
    finally:
        server.stop()
