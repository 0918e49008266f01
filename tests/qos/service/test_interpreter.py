"""Children run this installation's modules, whatever lies in the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.supervisor.child import start_child
from qos.service.interpreter import CODE_ROOT, child_command, module_argv


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with packages of our names and of the standard library's: each leaves a mark when it runs."""
    mark = tmp_path / "mark"
    for name in ("qos", "console", "forecaster", "enforcer", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    return mark


def test_a_planted_package_in_the_current_folder_does_not_run(trap: Path) -> None:
    child = child_command("forecaster.serving.job", "--help")
    subprocess.run(child.argv, cwd=child.cwd, env=child.env, capture_output=True, timeout=60)
    assert not trap.exists()


def test_a_part_of_up_does_not_run_a_planted_package(trap: Path, tmp_path: Path) -> None:
    process = start_child("nothing-of-ours", None, tmp_path)
    process.communicate(timeout=60)
    assert not trap.exists()


def test_a_relative_import_path_is_not_handed_on(trap: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", "", "qos/..", str(tmp_path / "elsewhere")]))
    path = child_command("console").env.get("PYTHONPATH", "").split(os.pathsep)
    assert str(tmp_path / "elsewhere") in path
    assert all(os.path.isabs(entry) for entry in path)
    assert not trap.exists()


def test_an_installed_package_is_found_without_an_import_path_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr("site.getsitepackages", lambda: [str(CODE_ROOT)])
    assert "PYTHONPATH" not in child_command("console").env
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path)])
    assert child_command("console").env["PYTHONPATH"] == str(CODE_ROOT)


def test_the_child_starts_in_a_folder_that_does_not_depend_on_ours(trap: Path) -> None:
    child = child_command("console", env={"ONE": "1"})
    assert child.cwd == CODE_ROOT
    assert child.env["ONE"] == "1"
    assert child.argv == (*module_argv("console"),)
    assert child.argv[0] == sys.executable
    assert not trap.exists()
