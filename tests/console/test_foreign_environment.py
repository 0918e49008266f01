"""Root leaves no compiled modules in an environment that is somebody else's: its owner could not replace it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import require

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="owners of Unix")
def test_root_leaves_nothing_that_the_owner_cannot_delete(tmp_path: Path) -> None:
    require.linux_root()
    for name in ("console", "qos"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for folder, _, files in os.walk(tmp_path):
        for path in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(path, 12345, 12345)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import console.cli; print(console.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd="/", env=clean, capture_output=True, text=True)
    assert done.stdout.startswith(str(tmp_path)), done.stderr
    folders = [Path(folder) for folder, _, _ in os.walk(tmp_path)]
    assert {folder.stat().st_uid for folder in folders} == {12345}
    caches = [folder.relative_to(tmp_path).as_posix() for folder in folders if folder.name == "__pycache__"]
    assert caches in ([], ["console/__pycache__"])
