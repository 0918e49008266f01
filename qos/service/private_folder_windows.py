"""The data folder of an elevated agent on Windows: administrators write, and the user who started it reads.

``%PROGRAMDATA%`` lets every user make folders and files in it, so the folder is made with its own, protected access
list in one call, and one that somebody else made before us is refused (docs/decisions/0051). The same functions as
``private_folder_posix``. Sources: learn.microsoft.com, "CreateDirectoryW", "Security Descriptor String Format",
"GetNamedSecurityInfoW".
"""

import ctypes
import os
import stat
import sys
import tempfile
from ctypes import wintypes
from pathlib import Path
from typing import Any, Final

from qos.contract.errors import ConfigError
from qos.system import known_folders_windows
from qos.system.elevation import elevated

assert sys.platform == "win32"  # tells the type checker whose file this is

_TRUSTED: Final = ("S-1-5-32-544", "S-1-5-18")
"""Administrators and the system itself."""
_OWNER, _DACL, _PROTECTED = 0x1, 0x4, 0x80000000
_FILE_OBJECT: Final = 1
_DACL_IS_PROTECTED: Final = 0x1000
_TOKEN_QUERY: Final = 0x8
_TOKEN_USER: Final = 1
_ALREADY_EXISTS: Final = 183


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (("length", wintypes.DWORD), ("descriptor", wintypes.LPVOID), ("inherit", wintypes.BOOL))


def system_folder() -> Path:
    """Where an elevated agent keeps its data: ``%PROGRAMDATA%\\autoqos``."""
    return known_folders_windows.program_data() / "autoqos"


def access_list(user_sid: str) -> str:
    """The folder's security descriptor: the system and administrators everything, the user reads, nobody else."""
    return f"O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;{user_sid})"


def create(folder: Path) -> None:
    """Make the folder, and its parents if need be. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not elevated():
        folder.mkdir(exist_ok=True)
        return
    descriptor = _descriptor(access_list(_user_sid()))
    attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), descriptor, False)
    try:
        if not _kernel32.CreateDirectoryW(str(folder), ctypes.byref(attributes)):
            error = ctypes.get_last_error()
            if error != _ALREADY_EXISTS or not folder.is_dir():
                raise ctypes.WinError(error)
    finally:
        _kernel32.LocalFree(descriptor)


def secure(folder: Path, *, ours: bool, group: str | None) -> None:
    """Refuse a system folder that an unelevated program made, and close one that is still open.

    Access that an administrator granted since stays. Raises ConfigError, OSError.
    """
    if group is not None:
        raise ConfigError(f"data_group: is for Linux; here: icacls {folder} /grant NAME:(OI)(CI)RX")
    if not ours or not elevated():
        return
    if os.lstat(folder).st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        raise ConfigError(f"data directory {folder}: leads to another folder: delete it and start again")
    owner, protected = _owner_and_protection(folder)
    if owner not in _TRUSTED:
        raise ConfigError(
            f"data directory {folder}: was made by {owner}, not by an administrator: delete it and start again"
        )
    if not protected:
        _protect(folder)


def readable(path: Path) -> bool:
    """Whether this process may read the file; ``os.access`` does not look at access lists here."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def writable(folder: Path) -> bool:
    """Whether this process may make files in the folder: tried, because ``os.access`` would say yes."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def files_for_owner_and_group() -> int:
    """Nothing to do: files inherit the folder's access list."""
    return 0


_kernel32: Any = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.LocalFree.argtypes = (wintypes.LPVOID,)
_kernel32.CreateDirectoryW.argtypes = (wintypes.LPCWSTR, wintypes.LPVOID)
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_advapi32: Any = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.OpenProcessToken.argtypes = (wintypes.HANDLE, wintypes.DWORD, wintypes.LPVOID)
_advapi32.GetTokenInformation.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
)
_advapi32.ConvertSidToStringSidW.argtypes = (wintypes.LPVOID, wintypes.LPVOID)
_advapi32.GetSecurityDescriptorDacl.argtypes = (wintypes.LPVOID,) * 4
_advapi32.GetSecurityDescriptorControl.argtypes = (wintypes.LPVOID,) * 3
_advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = (
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
)
_advapi32.GetNamedSecurityInfoW.argtypes = (wintypes.LPCWSTR, ctypes.c_int, wintypes.DWORD, *(wintypes.LPVOID,) * 5)
_advapi32.SetNamedSecurityInfoW.argtypes = (wintypes.LPCWSTR, ctypes.c_int, wintypes.DWORD, *(wintypes.LPVOID,) * 4)


def _descriptor(text: str) -> int:
    found = wintypes.LPVOID()
    convert = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
    if not convert(text, 1, ctypes.byref(found), None):
        raise ctypes.WinError(ctypes.get_last_error())
    return int(found.value or 0)


def _sid_text(sid: int | None) -> str:
    found = wintypes.LPWSTR()
    if not _advapi32.ConvertSidToStringSidW(sid, ctypes.byref(found)):
        raise ctypes.WinError(ctypes.get_last_error())
    text = found.value or ""
    _kernel32.LocalFree(found)
    return text


def _user_sid() -> str:
    """The account of this process: the same before and after elevation."""
    token = wintypes.HANDLE()
    if not _advapi32.OpenProcessToken(_kernel32.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        buffer = ctypes.create_string_buffer(256)
        used = wintypes.DWORD()
        if not _advapi32.GetTokenInformation(token, _TOKEN_USER, buffer, len(buffer), ctypes.byref(used)):
            raise ctypes.WinError(ctypes.get_last_error())
        return _sid_text(ctypes.cast(buffer, ctypes.POINTER(wintypes.LPVOID))[0])
    finally:
        _kernel32.CloseHandle(token)


def _owner_and_protection(folder: Path) -> tuple[str, bool]:
    owner, descriptor = wintypes.LPVOID(), wintypes.LPVOID()
    wanted = _OWNER | _DACL
    error = _advapi32.GetNamedSecurityInfoW(
        str(folder), _FILE_OBJECT, wanted, ctypes.byref(owner), None, None, None, ctypes.byref(descriptor)
    )
    if error:
        raise ctypes.WinError(error)
    try:
        control, revision = wintypes.WORD(), wintypes.DWORD()
        if not _advapi32.GetSecurityDescriptorControl(descriptor, ctypes.byref(control), ctypes.byref(revision)):
            raise ctypes.WinError(ctypes.get_last_error())
        return _sid_text(owner.value), bool(control.value & _DACL_IS_PROTECTED)
    finally:
        _kernel32.LocalFree(descriptor)


def _protect(folder: Path) -> None:
    descriptor = _descriptor(access_list(_user_sid()))
    try:
        present, defaulted, dacl = wintypes.BOOL(), wintypes.BOOL(), wintypes.LPVOID()
        if not _advapi32.GetSecurityDescriptorDacl(
            descriptor, ctypes.byref(present), ctypes.byref(dacl), ctypes.byref(defaulted)
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        error = _advapi32.SetNamedSecurityInfoW(str(folder), _FILE_OBJECT, _DACL | _PROTECTED, None, None, dacl, None)
        if error:
            raise ctypes.WinError(error)
    finally:
        _kernel32.LocalFree(descriptor)
