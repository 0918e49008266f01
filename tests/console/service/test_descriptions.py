"""The two descriptions of the service: the unit as systemd checks it, the task as its schema has it."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath

import pytest

from console.service.layout import LINUX, Layout, windows
from console.service.scheduled_task import NAMESPACE, task
from console.service.systemd_unit import CAPABILITIES, unit
from console.service.windows import run
from tests import require

WINDOWS = windows(r"C:\Program Files", r"C:\ProgramData\autoqos")
NS = {"t": NAMESPACE}


def text(tree: ET.Element, path: str) -> str:
    found = tree.find("/".join(f"t:{name}" for name in path.split("/")), NS)
    assert found is not None, path
    return found.text or ""


def test_the_task_overrides_every_default_that_harms_a_monitor() -> None:
    tree = ET.fromstring(task(WINDOWS, "DESK\\me").encode("utf-16"))
    settings = {
        "Settings/Priority": "5",
        "Settings/ExecutionTimeLimit": "PT0S",
        "Settings/DisallowStartIfOnBatteries": "false",
        "Settings/StopIfGoingOnBatteries": "false",
        "Settings/MultipleInstancesPolicy": "IgnoreNew",
        "Settings/RestartOnFailure/Interval": "PT1M",
        "Settings/RestartOnFailure/Count": "3",
        "Principals/Principal/RunLevel": "HighestAvailable",
        "Principals/Principal/LogonType": "InteractiveToken",
        "Principals/Principal/UserId": "DESK\\me",
        "Triggers/LogonTrigger/UserId": "DESK\\me",
    }
    assert {path: text(tree, path) for path in settings} == settings


def test_the_task_starts_what_only_administrators_write_and_quotes_its_paths() -> None:
    tree = ET.fromstring(task(WINDOWS, "DESK\\a & b").encode("utf-16"))
    assert text(tree, "Actions/Exec/Command") == r"C:\Program Files\AutoQoS\env\Scripts\pythonw.exe"
    assert text(tree, "Actions/Exec/Arguments") == (
        r'-P -m console.service.run_logged "C:\ProgramData\autoqos\logs\autoqos.log"'
        r' --config "C:\ProgramData\autoqos\config.yaml" --data "C:\ProgramData\autoqos"'
    )
    assert text(tree, "Principals/Principal/UserId") == "DESK\\a & b"


def test_the_tasks_elements_stand_in_the_schemas_order() -> None:
    """taskType, principalType, logonTriggerType and execActionType are sequences in the Task Scheduler Schema."""
    tree = ET.fromstring(task(WINDOWS, "me").encode("utf-16"))
    names = [child.tag.partition("}")[2] for child in tree]
    assert names == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]
    action = tree.find("t:Actions/t:Exec", NS)
    assert action is not None
    assert [child.tag.partition("}")[2] for child in action] == ["Command", "Arguments", "WorkingDirectory"]


def test_words_of_schtasks_in_any_code_page_are_shown() -> None:
    code = "import sys; sys.stdout.buffer.write(b'Status: f\\x81r \\x8d\\x9d'); sys.exit(1)"
    done = run([sys.executable, "-c", code])
    assert (done.returncode, done.stdout[:9]) == (1, "Status: f")


def test_the_unit_starts_what_only_root_writes_and_tells_systemd_that_it_lives() -> None:
    lines = unit(LINUX).splitlines()
    assert (
        "ExecStart=/opt/autoqos/env/bin/python -P -m console up --quiet"
        " --config /etc/autoqos/config.yaml --data /var/lib/autoqos"
    ) in lines
    for line in ("Type=notify", "WatchdogSec=30", "Restart=on-failure", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert line in lines
    assert f"CapabilityBoundingSet={' '.join(CAPABILITIES)}" in lines
    assert not any("CAP_SYS_ADMIN" in line for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    analyze = require.program("systemd-analyze")
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy(sys.executable, python)
    file = tmp_path / "autoqos.service"
    layout = Layout(PurePosixPath(tmp_path), LINUX.config, LINUX.data)
    file.write_text(unit(layout), encoding="utf-8")
    env = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(file)], capture_output=True, text=True, env=env, timeout=60
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "autoqos" in line]
    assert ours == []
    score = subprocess.run(
        [analyze, "security", "--offline=yes", str(file)], capture_output=True, text=True, env=env, timeout=60
    )
    found = re.search(r"exposure level.*?: ([\d.]+)", score.stdout)
    assert found, score.stdout + score.stderr
    assert float(found.group(1)) < 5.0
