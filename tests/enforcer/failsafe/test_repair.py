"""What a killed process left is taken away on request, and what a living one uses stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer.failsafe.repair import repair
from qos.contract.errors import ConfigError
from tests import require
from tests.lab import Lab

ROOT = Path(__file__).parents[3]


def test_without_the_right_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="--repair: start it with sudo"):
        repair(lambda: "start it with sudo")


@pytest.mark.packets
def test_devices_of_a_process_that_is_gone_are_taken_away_and_those_of_a_living_one_stay() -> None:
    require.linux_root()
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    gone = int(done.stdout)
    with Lab() as lab:
        for pid in (gone, os.getpid()):
            lab.run("host", "ip", "link", "add", f"autoqosu{pid}", "type", "veth", "peer", "name", f"autoqosv{pid}")
        command = [sys.executable, "-P", "-m", "console", "status", "--repair"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        said = [lab.run("host", *command, env=environment).stdout for _ in range(2)]
        lab.run("host", "ip", "link", "add", f"autoqosu{gone}", "type", "veth", "peer", "name", f"autoqosv{gone}")
        told = [json.loads(lab.run("host", *command, "--json", env=environment).stdout) for _ in range(2)]
        left = lab.run("host", "ip", "-br", "link").stdout
    assert said[0].strip() == "removed 1 idle network device"
    assert said[1].strip() == "nothing was left behind by an AutoQoS that is gone"
    assert told == [{"removed": {"idle network device": 1}}, {"removed": {}}]
    assert f"autoqosu{os.getpid()}" in left
    assert f"autoqosu{gone}" not in left
