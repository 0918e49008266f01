"""An elevated agent's folder on Windows: administrators own it, nothing is inherited from ``%PROGRAMDATA%``."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from qos.system.elevation import elevated


@pytest.mark.skipif(sys.platform != "win32", reason="access lists are of Windows")
def test_an_elevated_agents_folder_belongs_to_administrators_and_inherits_nothing(tmp_path: Path) -> None:
    private_folder_windows: Any = importlib.import_module("qos.service.private_folder_windows")
    if not elevated():
        pytest.skip("needs an elevated prompt")
    open_to_all = tmp_path / "made-before-us"
    open_to_all.mkdir()
    assert not private_folder_windows._owner_and_protection(open_to_all)[1]
    folder = tmp_path / "autoqos"
    private_folder_windows.create(folder)
    owner, protected = private_folder_windows._owner_and_protection(folder)
    assert owner in private_folder_windows._TRUSTED
    assert protected
    private_folder_windows.secure(folder, ours=True, group=None)
    (folder / "autoqos.db").write_bytes(b"")
