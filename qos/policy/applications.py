"""Application identity: which name an executable goes by, and which processes are one application.

Pure: facts about processes in (gathered by ``qos.system.processes``), names out. The name becomes the ``app`` tag of
every point, so it is bounded: never a path, a PID or a command line, no control characters, at most 128 characters.
Lower case and without ``.exe`` on Windows, as written on Linux.

A child belongs to its parent's application when it runs the same file or one from inside the parent's own folder (a
browser's renderers, Electron's helpers, Steam's web helper). A folder that many programs share (``/usr/bin``,
``System32``) makes no family, so a program started from a shell, a browser or the desktop keeps its own name.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final, Literal

Family = Literal["linux", "windows"]
"""Which rules names follow; every system that is not Windows goes by ``linux``."""

MAX_NAME: Final = 128
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
KERNEL: Final = "kernel"
OURSELVES: Final = "autoqos"
COMM_LENGTH: Final = 15
"""Linux keeps so many bytes of a task's name (TASK_COMM_LEN less the final zero; linux/sched.h)."""

DELETED: Final = " (deleted)"
_BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_VERSIONED: Final = re.compile(
    r"^(python[23](?=\.)|pypy3(?=\.)|perl|ruby|luajit|lua|php|nodejs|node|tclsh|wish|guile|java|dotnet|electron)"
    r"[-_.]?\d+(\.\d+)*[a-z]{0,2}$"
)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_INTERPRETER: Final = re.compile(
    r"^(pythonw?[23]?|pypy3?|perl|ruby|lua|luajit|php|node|nodejs|tclsh|guile|electron|deno|bun|bash|sh|dash|zsh|powershell|pwsh)$"
)
_WINE: Final = frozenset({"wine", "wine64", "wine-preloader", "wine64-preloader"})
_GENERIC: Final = frozenset({"apprun", "apprun.wrapped", "app", "main", "start", "launcher", "electron"})
_PACKAGE: Final = re.compile(r"^/(?:snap/(?P<snap>[^/]+)/|tmp/\.mount_(?P<image>[^/]+?)[A-Za-z0-9]{6}/)")
_SHARED_LINUX: Final = re.compile(
    r"(^|/)(s?bin|lib(32|64|exec)?|games)$|^/(opt|app|root|srv|tmp|home(/[^/]+)?|usr|usr/local|nix/store)?$"
)
_SHARED_WINDOWS: Final = re.compile(
    r"^[a-z]:\\?$|^[a-z]:\\windows(\\.*)?$|^[a-z]:\\program files( \(x86\))?$"
    r"|^[a-z]:\\users\\[^\\]+(\\(desktop|downloads))?$|\\windowsapps$|\\appdata\\local(\\programs|\\temp)?$"
)
_LIBRARIES: Final = frozenset({"steamapps", "games", "apps"})
"""Folders inside a launcher's own where the programs that it starts live: those are applications of their own."""
_CODE: Final = {"python": "c", "pypy": "c", "perl": "eE", "ruby": "e", "node": "ep", "php": "r", "lua": "e"}
_VALUED: Final = {"python": "WX", "pypy": "WX", "ruby": "CIr", "node": "r", "php": "cd", "bash": "oO", "java": ""}
_NO_NAME: Final = frozenset("\n;(){}=<>\"'|&$`")
"""What no script name has but program text given on a command line does: such a word never becomes a name."""


@dataclass(frozen=True, slots=True)
class Process:
    """What the operating system says of one process. ``started_ns`` is UTC and tells a reused PID apart."""

    pid: int
    started_ns: int = 0
    parent: int = 0
    name: str = ""
    """The short name: Linux's comm (at most 15 bytes), Windows' image name."""
    exe: str = ""
    """Full path of the executable; empty when it may not be read."""
    argv0: str = ""
    """First word of the command line; only to complete a shortened ``name``."""
    script: str = ""
    """Name of the script or module that an interpreter runs; only read when a config rule asks for scripts."""
    service: str = ""
    """Name of the Windows service that lives in this process."""
    kernel: bool = False
    background: bool = False
    """No window and no terminal."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Who a process is. ``app`` is its application's name, before ``AppNames`` bounds how many there are."""

    pid: int
    started_ns: int
    app: str
    name: str
    """The process's own name."""
    exe: str
    """Full path of the application's root executable, for rules that match a path. Never a tag."""
    service: bool
    background: bool


def clean(name: str) -> str:
    """The name as it may be stored: NFC, one line, no control or direction characters, 1 to 128 characters.

    Bytes that were no text (lone surrogates) become U+FFFD, so that every store can write it.
    """
    text = unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", name))
    kept = "".join(c for c in text if unicodedata.category(c) != "Cc" and c not in _BIDI and c not in "\u2028\u2029")
    return kept[:MAX_NAME].strip() or UNKNOWN


def executable_name(path: str, family: Family) -> str:
    """The normalised name of an executable, from its path or bare name.

    >>> executable_name(r"C:\\Program Files\\Google\\Chrome\\Application\\Chrome.EXE", "windows")
    'chrome'
    >>> executable_name("/usr/bin/python3.11 (deleted)", "linux")
    'python3'
    """
    if family == "windows":
        name = clean(PureWindowsPath(path).name or path).lower()
        return name.removesuffix(".exe") or name
    bare = path.removesuffix(DELETED)
    name = PurePosixPath(bare).name or bare
    if name.lower() in _GENERIC and (package := _PACKAGE.match(bare)):
        name = package["snap"] or package["image"] or name
    return clean(_without_version(name))


def _without_version(name: str) -> str:
    """``python3.11`` → ``python3``, ``perl5.36.0`` → ``perl``, ``node18`` → ``node``; other names as they are."""
    match = _VERSIONED.match(name)
    return match[1] if match else name


def is_interpreter(path: str, family: Family) -> bool:
    """Whether the executable runs scripts, so that ``name_by_script`` may tell its processes apart."""
    return _INTERPRETER.match(_without_version(executable_name(path, family))) is not None


def script_name(argv: Sequence[str]) -> str:
    """The script or module that an interpreter's command line names, without folders; empty when it runs none.

    Only a name ever leaves this function: no argument, no path and no program text. Options before the script are
    skipped, with their values where the interpreter is known to take one.
    """
    kind = re.split(r"[/\\]", argv[0])[-1].lower().removesuffix(".exe").rstrip("0123456789.-_w") if argv else ""
    code, valued = _CODE.get(kind, "ce"), _VALUED.get(kind, "")
    words = iter(argv[1:])
    for word in words:
        if not word or word == "-":
            return ""
        if word.startswith("--"):
            if word in ("--eval", "--command", "--print"):
                return ""
            if word == "--require":
                next(words, None)
        elif word.startswith("-"):
            flags = word[1:]
            if kind in ("python", "pypy") and flags.endswith("m"):
                return _script(next(words, ""))
            if flags[-1] in code or flags.lower() in ("command", "encodedcommand"):
                return ""
            if flags[-1] in valued:
                next(words, None)
        else:
            return _script(re.split(r"[/\\]", word.rstrip("/\\"))[-1])
    return ""


def _script(word: str) -> str:
    return clean(word) if word and not _NO_NAME & set(word) else ""


def app_name(process: Process, family: Family, scripts: Sequence[str] = (), known: Sequence[str] = ()) -> str:
    """The name of a process taken alone (its family tree comes in ``root_of``).

    ``scripts`` are the globs of ``collector.name_by_script``; ``known`` are names of executables seen before, to
    complete a name that Linux cut at 15 bytes.
    """
    if process.kernel:
        return KERNEL
    if process.service:
        return clean(process.service).lower() if family == "windows" else clean(process.service)
    if process.script and any(fnmatch.fnmatch(process.script.lower(), glob.lower()) for glob in scripts):
        return process.script.lower() if family == "windows" else process.script
    if process.exe and not process.exe.startswith("/memfd:"):  # a file without a name: its comm says more
        name = executable_name(process.exe, family)
        if name in _WINE and process.name.lower().endswith((".exe", ".ex", ".e")):
            return clean(process.name.lower().rsplit(".", 1)[0])
        return name
    if family == "windows":
        return executable_name(process.name, family)
    return _complete(process, known)


def _complete(process: Process, known: Sequence[str]) -> str:
    """A name from comm alone: what follows a cut at 15 bytes comes from argv[0] or from an executable seen before."""
    comm = process.name
    if len(comm.encode("utf-8", "surrogatepass")) >= COMM_LENGTH:
        first = PurePosixPath(process.argv0).name
        if first.startswith(comm):
            return executable_name(first, "linux")
        fits = {name for name in known if name.startswith(comm)}
        if len(fits) == 1:
            return fits.pop()
    return executable_name(comm, "linux") if comm else UNKNOWN


def same_app(child: Process, parent: Process, family: Family) -> bool:
    """Whether a child is part of its parent's application: the same file, or a file inside the parent's own folder."""
    if child.kernel or parent.kernel or child.service or parent.service or not child.exe or not parent.exe:
        return False
    if child.script != parent.script:
        return False
    ours, theirs = child.exe.removesuffix(DELETED), parent.exe.removesuffix(DELETED)
    if family == "windows":
        ours, theirs = ours.lower(), theirs.lower()
    if ours == theirs:
        return True
    if is_interpreter(theirs, family):
        return False  # what a script starts is a program of its own
    separator = "\\" if family == "windows" else "/"
    folder = theirs.rpartition(separator)[0]
    shared = _SHARED_WINDOWS if family == "windows" else _SHARED_LINUX
    if shared.search(folder) or not ours.startswith(folder + separator):
        return False
    return _LIBRARIES.isdisjoint(ours[len(folder) :].lower().split(separator))


def root_of(process: Process, lookup: Callable[[int], Process | None], family: Family) -> Process:
    """The topmost process of the application that ``process`` is part of; itself when its parent is another's.

    A parent that started after its child is a reused PID, not the parent. At most 32 steps.
    """
    top = process
    for _ in range(32):
        parent = lookup(top.parent) if top.parent > 0 else None
        if parent is None or parent.started_ns > top.started_ns or not same_app(top, parent, family):
            break
        top = parent
    return top


class AppNames:
    """Holds the number of distinct names: the first ``limit`` keep theirs, every later one is ``other``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._names: set[str] = set()
        self.overflowed = 0
        """How many different names came after the limit (counted up to 10,000)."""
        self._refused: set[str] = set()

    def admit(self, name: str) -> str:
        """The name itself, or ``other``."""
        if name in self._names or name == OTHER:
            return name
        if len(self._names) < self.limit:
            self._names.add(name)
            return name
        if len(self._refused) < 10_000:
            self._refused.add(name)
            self.overflowed = len(self._refused)
        return OTHER
