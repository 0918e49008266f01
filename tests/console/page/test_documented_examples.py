"""Every curl example of docs/api.md, run in order against a real server."""

import re
import subprocess
from pathlib import Path

from tests import require
from tests.console.page.conftest import SamplePage

TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_examples_of_the_documentation_work(sample: SamplePage) -> None:
    require.posix_shell()
    require.program("curl")
    require.program("jq")
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    assert len(blocks) >= 10
    script = "set -euo pipefail\n" + "".join(f"{block}\necho '--'\n" for block in blocks)
    environment = {"ADDRESS": sample.login_url(), "AUTOQOS": sample.url.rstrip("/"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.split("--\n")
    assert "steam" in answers[1]
    assert answers[2].startswith("app,rx_bytes,tx_bytes")
    assert '"steam: priority 5 (background)"' in answers[5]
    assert "undone: steam: at most down 2.0 Mbit/s" in answers[6]
    assert '"interval"' in answers[-2]
    assert sample.state("override:app:steam") is None
    assert sample.state("override:pause") is None


def test_every_address_that_is_named_exists() -> None:
    from console.page.api.table import OPERATIONS

    known = {operation.path for operation in OPERATIONS}
    named = re.findall(r"`(/[a-z]+(?:/\{[a-z]+\}|/[a-z]+)*)`", TEXT)
    assert named
    assert [
        path
        for path in named
        if not any(one == path or one == f"/{path}" or one.startswith(f"{path}/") for one in known)
    ] == []
