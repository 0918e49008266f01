"""The network that this machine is in, from the lab's host."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.require import linux_root

ASK = """
import dataclasses, json
from qos.system.network import line_bytes, network
where = network()
print(json.dumps({"network": None if where is None else dataclasses.asdict(where),
                  "bytes": None if where is None else dataclasses.asdict(line_bytes(where))}))
"""


@pytest.mark.packets
def test_the_default_routes_interface_and_gateway_are_found() -> None:
    linux_root()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with Lab() as lab:
        told = json.loads(lab.run("host", sys.executable, "-c", ASK, env=environment).stdout)
        again = json.loads(lab.run("host", sys.executable, "-c", ASK, env=environment).stdout)
        peer = json.loads(lab.run("peer", sys.executable, "-c", ASK, env=environment).stdout)
    assert (told["network"]["interface"], told["network"]["gateway"]) == (lab.interface(), "10.77.0.254")
    assert told["network"]["header_bytes"] == 14
    assert told["network"]["key"] == again["network"]["key"] != peer["network"]["key"]
    assert told["bytes"]["down"] >= 0
