"""Where Windows keeps what belongs to everybody, asked of the system: a variable of the user's cannot move it.

An elevated process inherits the user's environment, and every program of that user can write its variables. Source:
learn.microsoft.com, "SHGetKnownFolderPath" and "KNOWNFOLDERID".
"""

import ctypes
import sys
from ctypes import wintypes
from pathlib import Path
from typing import Final
from uuid import UUID

assert sys.platform == "win32"  # tells the type checker whose file this is

_PROGRAM_DATA: Final = UUID("62ab5d82-fdc1-4dc3-a9dd-070d1d495d97")
_PROGRAM_FILES: Final = UUID("905e63b6-c1bf-494e-b29c-65b736d32d21")
_PROGRAM_FILES_X86: Final = UUID("7c5a40ef-a0fb-4bfc-874a-c0f2e0b9fa8e")
_WINDOWS: Final = UUID("f38bf404-1d43-42f2-9305-67de0b28fc23")


def program_data() -> Path:
    """``C:\\ProgramData``: every user may make folders there."""
    return _folder(_PROGRAM_DATA, r"C:\ProgramData")


def program_files() -> Path:
    """``C:\\Program Files``: only administrators write there."""
    return _folder(_PROGRAM_FILES, r"C:\Program Files")


def for_administrators() -> tuple[Path, ...]:
    """The folders in which only administrators write."""
    return (
        program_files(),
        _folder(_PROGRAM_FILES_X86, r"C:\Program Files (x86)"),
        _folder(_WINDOWS, r"C:\Windows"),
    )


def _folder(identity: UUID, usual: str) -> Path:
    found = wintypes.LPWSTR()
    wanted = (ctypes.c_ubyte * 16)(*identity.bytes_le)
    if ctypes.windll.shell32.SHGetKnownFolderPath(ctypes.byref(wanted), 0, None, ctypes.byref(found)) != 0:
        return Path(usual)
    folder = Path(found.value or usual)
    ctypes.windll.ole32.CoTaskMemFree(found)
    return folder
