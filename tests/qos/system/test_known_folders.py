"""The system's own folders on Windows, which no variable of the user's can move."""

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    from qos.system.known_folders_windows import for_administrators, program_data, program_files

    def test_they_are_where_the_system_says_whatever_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
        before = program_data(), program_files()
        assert all(folder.is_dir() for folder in before)
        assert str(before[1]) == os.environ["PROGRAMFILES"]
        for name in ("PROGRAMDATA", "ALLUSERSPROFILE", "PROGRAMFILES"):
            monkeypatch.setenv(name, r"C:\users\somebody")
        assert (program_data(), program_files()) == before

    def test_administrators_folders_are_trusted_and_a_users_is_not() -> None:
        assert program_files() in for_administrators()
        assert Path(os.environ["SYSTEMROOT"]) in for_administrators()
        assert not any(Path.home().is_relative_to(folder) for folder in for_administrators())
