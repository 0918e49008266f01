"""The Flux tasks: written from the points' rollups, every field once, and accepted by Flux itself."""

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.points import SPECS, Probe
from qos.shipping.downsampling import BUCKETS, TASKS, flux
from qos.store.influx import InfluxStore
from tests.require import missing, program
from tests.servers import call

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "stack" / "tasks"

CHECK = """
const { Flux } = require("@influxdata/flux-lsp-node");
const fs = require("fs");
const answers = {};
for (const file of process.argv.slice(1)) answers[file] = new Flux(fs.readFileSync(file, "utf8")).is_valid();
console.log(JSON.stringify(answers));
"""


def test_the_files_are_what_the_generator_writes() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{task.name}.flux" for task in TASKS}
    for task in TASKS:
        assert (FOLDER / f"{task.name}.flux").read_text(encoding="utf-8") == flux(task)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_field_is_kept_once_by_its_own_rollup(task: object) -> None:
    text = flux(task)  # type: ignore[arg-type]  # pytest's parameters are objects
    kept: dict[tuple[str, str], str] = {}
    for filters, how in re.findall(
        r"filter\(fn: \(r\) => (.*?)\)\n    \|> aggregateWindow\(.*?fn: (\w+)", text, re.DOTALL
    ):
        for measurement, fields in re.findall(r'r\._measurement == "(\w+)" and \(([^)]*)\)', filters):
            for field in re.findall(r'r\._field == "(\w+)"', fields):
                assert (measurement, field) not in kept
                kept[measurement, field] = how
    assert kept == {
        (spec.name, field.name): field.rollup for spec in SPECS.values() if not spec.local for field in spec.fields
    }


def test_every_task_reads_and_writes_a_bucket_that_the_one_shot_makes() -> None:
    script = (ROOT / "stack" / "influx-init.sh").read_text()
    assert dict(re.findall(r"^bucket (\S+) (\S+)$", script, re.MULTILINE)) == BUCKETS
    for task in TASKS:
        assert {task.source, task.target} <= BUCKETS.keys()


def test_flux_accepts_every_task(tmp_path: Path) -> None:
    npm = program("npm")
    install = [npm, "install", "--silent", "--no-fund", "--no-audit", "@influxdata/flux-lsp-node@0.8.40"]
    result = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        missing(f"npm cannot install @influxdata/flux-lsp-node: {result.stderr.strip()[-200:]}")
    wrong = tmp_path / "wrong.flux"
    wrong.write_text(flux(TASKS[0]).replace("|> range(", "|> rnage("))
    files = [str(file) for file in sorted(FOLDER.glob("*.flux"))]
    command = [program("node"), "-e", CHECK, "--", *files, str(wrong)]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    answers = json.loads(checked.stdout)
    assert answers.pop(str(wrong)) is False, "the checker accepts anything"
    assert answers == dict.fromkeys(files, True)


@pytest.mark.skipif(
    not os.environ.get("AUTOQOS_TEST_INFLUX_URL"),
    reason="AUTOQOS_TEST_INFLUX_URL names no real InfluxDB 2.x: only such a server runs Flux",
)
@pytest.mark.server
def test_a_real_server_computes_what_the_embedded_store_would() -> None:
    url, token = os.environ.get("AUTOQOS_TEST_INFLUX_URL", ""), os.environ.get("AUTOQOS_TEST_INFLUX_TOKEN", "")
    org = os.environ.get("AUTOQOS_TEST_INFLUX_ORG", "autoqos")
    raw, coarse = f"t{os.getpid()}", f"t{os.getpid()}/5m"
    made = []
    try:
        orgs = json.loads(call(url + "/api/v2/orgs", query={"org": org}, token=token))["orgs"]
        for name in (raw, coarse):
            body = json.dumps({"orgID": orgs[0]["id"], "name": name, "retentionRules": []}).encode()
            made.append(json.loads(call(url + "/api/v2/buckets", body=body, token=token))["id"])
        config = InfluxConfig.model_validate({"url": url, "org": org, "bucket": raw})
        with (
            InfluxStore.open(config, SecretStr(token)) as source,
            InfluxStore.open(config.model_copy(update={"bucket": coarse}), SecretStr(token)) as target,
        ):
            from qos.system import clock

            newest = clock.wall_ns() // (300 * 10**9) * 300 * 10**9
            source.write(
                [
                    Probe(
                        time_ns=newest - (i + 1) * 10**9, host="h", target="t", ok=i % 2, loss_ratio=0.25, sent=1,
                        received=i % 2, rtt_ms=float(i) if i % 2 else None, reason="" if i % 2 else f"timeout {i}",
                    )
                    for i in range(1200)
                ]
            )  # fmt: skip
            for _ in range(2):  # again: the same series and time replace the row
                text = flux(TASKS[0]).replace('"autoqos"', f'"{raw}"').replace('"autoqos/5m"', f'"{coarse}"')
                request = urllib.request.Request(
                    f"{url}/api/v2/query?org={org}",
                    data=text.encode(),
                    headers={"Authorization": f"Token {token}", "Content-Type": "application/vnd.flux"},
                )
                urllib.request.urlopen(request, timeout=60).read()
            expected = source.read("probe", start_ns=newest - 3600 * 10**9, every_ns=300 * 10**9)
            assert len(expected["time_ns"]) == 4
            assert target.read("probe") == {
                name: [pytest.approx(v) if isinstance(v, float) else v for v in column]
                for name, column in expected.items()
            }
    finally:
        for bucket in made:
            call(f"{url}/api/v2/buckets/{bucket}", token=token, method="DELETE")
