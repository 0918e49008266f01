import os
import subprocess
import sys
from pathlib import Path

import pytest

from qos.contract.errors import ConfigError
from qos.service import instance_lock

_HOLDER = """
import sys
from pathlib import Path
from qos.service import instance_lock
lock = instance_lock(Path(sys.argv[1]), "collector")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_instance_is_refused_with_one_line_naming_the_first(tmp_path: Path) -> None:
    with instance_lock(tmp_path, "collector"), pytest.raises(ConfigError) as caught:
        instance_lock(tmp_path, "collector")
    assert len(caught.value.lines) == 1
    assert f"PID {os.getpid()}" in caught.value.lines[0]
    assert str(tmp_path) in caught.value.lines[0]


def test_another_part_or_another_directory_is_free(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with instance_lock(tmp_path, "collector"), instance_lock(tmp_path, "enforcer"), instance_lock(other, "collector"):
        pass


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    instance_lock(tmp_path, "collector").release()
    instance_lock(tmp_path, "collector").release()


def test_a_killed_owner_leaves_no_lock_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(ConfigError, match=f"PID {process.pid}"):
            instance_lock(tmp_path, "collector")
        process.kill()
        process.wait(20)
    instance_lock(tmp_path, "collector").release()


def test_an_unusable_directory_is_a_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        instance_lock(tmp_path / "missing", "collector")
