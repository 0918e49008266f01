"""A process that holds packets runs before ordinary ones."""

import subprocess
import sys

from qos.system.processes.priority import NICE
from tests.require import linux_root


def test_an_ordinary_process_comes_after_one_that_hurries() -> None:
    linux_root()
    code = (
        "import os; from qos.system.processes.priority import hurry; print(hurry(), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(NICE)]
