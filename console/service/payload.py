"""The program's own copy for the service: a service with an administrator's rights starts nothing that a user writes.

A tool environment lies in the user's profile, and often its Python too. So an environment of its own is made in the
program's folder: of a Python that only administrators can write, else of a copy of this one, with this environment's
packages. It is made beside the present one and put in its place at the end, so that an upgrade that fails changes
nothing.
"""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError
from qos.system import clock

PACKAGES: Final = ("qos", "collector", "enforcer", "forecaster", "console")
_ENDING_NS: Final = 15 * clock.NS_PER_S if sys.platform == "win32" else 0
_SKIPPED: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "pip", "pip-*", "__editable__*", "_autoqos.pth")


def install(target: Path, libraries: Iterable[Path] | None = None) -> Path:
    """Make or replace the copy in ``target``; the interpreter to start. Raises ConfigError.

    ``libraries``: the folders whose packages are copied; None: this environment's.
    """
    wanted = tuple(libraries) if libraries is not None else _library_folders()
    fresh, former = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for leftover in (fresh, former):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        _fill(fresh, target, wanted)
        if target.exists():
            _insist(lambda: target.rename(former))
        _insist(lambda: fresh.rename(target))
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if former.exists() and not target.exists():
            former.rename(target)
        raise ConfigError(f"{target}: the program cannot be copied there: {_told(error)}") from None
    shutil.rmtree(former, ignore_errors=True)
    return interpreter(target)


def remove(target: Path) -> None:
    """Delete the copy. Raises ConfigError when something of it is still in use."""
    try:
        if target.exists():
            _insist(lambda: shutil.rmtree(target))
    except OSError as error:
        raise ConfigError(f"{target}: cannot be deleted ({_told(error)}): end what runs from there") from None


def _insist(work: Callable[[], object]) -> None:
    """Windows refuses to move and delete what runs; the parts of a service that was ended need a few seconds to end."""
    deadline_ns = clock.monotonic_ns() + _ENDING_NS
    while True:
        try:
            work()
            return
        except PermissionError:
            if clock.monotonic_ns() >= deadline_ns:
                raise
            time.sleep(0.2)


def interpreter(target: Path) -> Path:
    """The copy's Python."""
    return target / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _fill(fresh: Path, final: Path, libraries: Iterable[Path]) -> None:
    base = Path(sys.base_prefix)
    python = Path(sys._base_executable)  # type: ignore[attr-defined] # CPython's own name for what a venv was made of
    if not only_administrators_write(base):
        shutil.copytree(base, fresh / "python", symlinks=True, ignore=_SKIPPED)
        python = fresh / "python" / python.resolve().relative_to(base.resolve())
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(fresh / "env")], check=True, capture_output=True)
    _point_at(fresh, final)
    packages = _site_packages(fresh / "env")
    for source in libraries:
        shutil.copytree(source, packages, symlinks=False, ignore=_SKIPPED, dirs_exist_ok=True)
    for name in PACKAGES:  # an editable installation keeps them elsewhere
        folder = Path(__import__(name).__file__ or "").parent
        if folder.parent not in _library_folders():
            shutil.copytree(folder, packages / name, ignore=_SKIPPED, dirs_exist_ok=True)


def _library_folders() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)): None for name in ("purelib", "platlib")})


def _point_at(fresh: Path, final: Path) -> None:
    """The environment is made beside its place: its settings and links must name the place."""
    settings = fresh / "env" / "pyvenv.cfg"
    settings.write_text(settings.read_text(encoding="utf-8").replace(str(fresh), str(final)), encoding="utf-8")
    for link in (fresh / "env" / "bin").glob("python*") if os.name == "posix" else ():
        goal = os.readlink(link) if link.is_symlink() else ""
        if goal.startswith(str(fresh)):
            link.unlink()
            link.symlink_to(goal.replace(str(fresh), str(final), 1))


def _site_packages(env: Path) -> Path:
    if sys.platform == "win32":
        return env / "Lib" / "site-packages"
    return env / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def only_administrators_write(folder: Path) -> bool:
    """Whether nobody but an administrator can change what lies in the folder or swap it for another."""
    if sys.platform == "win32":
        from qos.system.known_folders_windows import for_administrators

        return any(folder.resolve().is_relative_to(root) for root in for_administrators())
    return all(_is_roots(path) for path in _with_parents(folder.resolve()))


def _with_parents(path: Path) -> Iterable[Path]:
    return (path, *path.parents)


def _is_roots(path: Path) -> bool:
    found = path.stat()
    sticky = bool(found.st_mode & stat.S_ISVTX)
    return found.st_uid == 0 and (sticky or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _told(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return (error.stderr or b"").decode(errors="replace").strip()[-300:] or str(error)
    return f"{error.strerror} ({error.filename})" if isinstance(error, OSError) and error.strerror else str(error)
