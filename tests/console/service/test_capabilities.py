"""The unit's capabilities are what the collector's best backend needs: with them it counts, without one it does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.service.systemd_unit import CAPABILITIES
from tests import require

pytestmark = pytest.mark.packets
ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys, threading
from pathlib import Path
from collector.capture.choose import choose
from qos.contract.config import parse_config
from qos.packets import divert
capture, why = choose(parse_config(""))
capture.poll()
print(json.dumps([capture.name, why, divert.available()]))
capture.stop()
"""


def backend(capabilities: set[str]) -> str:
    """Which backend is chosen with these capabilities alone, as root without any other."""
    names = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in sorted(capabilities))
    kept = f"-all{',' + names if names else ''}"
    done = subprocess.run(
        [
            require.program("setpriv"), "--no-new-privs", f"--bounding-set={kept}", "--inh-caps=-all",
            sys.executable, "-c", PROGRAM,
        ],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    name, _why, _available = json.loads(done.stdout)
    return str(name)


def test_with_the_units_capabilities_the_kernel_counts() -> None:
    require.linux_root()
    require.cgroup2()
    assert backend(set(CAPABILITIES)) == "kernel"


@pytest.mark.parametrize("missing", ["CAP_BPF", "CAP_NET_ADMIN"])
def test_a_capability_that_is_taken_away_is_missed(missing: str) -> None:
    require.linux_root()
    require.cgroup2()
    assert backend(set(CAPABILITIES) - {missing}) != "kernel"
