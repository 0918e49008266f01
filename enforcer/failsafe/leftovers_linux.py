"""What a dead process left in the kernel: classifiers of the packet library that nobody holds any more. Linux.

The library's own clean-up needs its register in bpffs. Where bpffs is not mounted, or was mounted anew (containers,
network namespaces), this looks at the classifiers themselves: one whose program no living process has open is dead.
Dead classifiers let everything pass; they are taken away so that nothing of ours stays behind.
"""

import json
import logging
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_log = logging.getLogger(__name__)

_NAME: Final = "tc_divert_"
_PROGRAM: Final = re.compile(rb"^prog_id:\s*(\d+)$", re.MULTILINE)
_TC: Final = ("/usr/sbin/tc", "/sbin/tc", "/usr/bin/tc")


@dataclass(frozen=True, slots=True)
class TcFilter:
    """One classifier of the library on one interface's hook (``ingress`` or ``egress``)."""

    interface: str
    hook: str
    preference: int
    handle: str
    program: int


def parse(interface: str, hook: str, listing: str) -> list[TcFilter]:
    """The library's classifiers in the output of ``tc -j filter show``; what cannot be read holds none."""
    try:
        rows: list[dict[str, Any]] = json.loads(listing or "[]")
    except ValueError:
        return []
    found = []
    for row in rows:
        options = row.get("options") or {}
        program = options.get("prog") or {}
        name = str(options.get("bpf_name") or program.get("name") or "")
        number = options.get("id") or program.get("id")
        if row.get("kind") == "bpf" and name.startswith(_NAME) and isinstance(number, int) and "handle" in options:
            found.append(TcFilter(interface, hook, int(row["pref"]), str(options["handle"]), number))
    return found


def programs_held(proc: Path = Path("/proc")) -> set[int]:
    """The BPF programs that some living process has open."""
    held: set[int] = set()
    for folder in proc.glob("[0-9]*/fdinfo"):
        for file in _files(folder):
            try:
                found = _PROGRAM.search(file.read_bytes())
            except OSError:
                continue  # closed meanwhile
            if found:
                held.add(int(found[1]))
    return held


def _files(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # ended meanwhile


def remove() -> int:
    """Take dead classifiers away, in this network namespace; how many there were."""
    tc = next((path for path in _TC if Path(path).exists()), shutil.which("tc"))
    if tc is None:
        return 0
    found = list(_listed(tc))
    if not found:
        return 0
    held = programs_held()
    dead = [classifier for classifier in found if classifier.program not in held]
    for one in dead:
        words = ("filter", "del", "dev", one.interface, one.hook, "protocol", "all")
        _run(tc, *words, "pref", str(one.preference), "handle", one.handle, "bpf")
        _log.info("removed a dead classifier from %s %s", one.interface, one.hook)
    return len(dead)


def _listed(tc: str) -> Iterator[TcFilter]:
    for _, interface in socket.if_nameindex():
        for hook in ("ingress", "egress"):
            yield from parse(interface, hook, _run(tc, "-j", "filter", "show", "dev", interface, hook))


def _run(tc: str, *words: str) -> str:
    try:
        done = subprocess.run([tc, *words], capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("%s: %s", " ".join((tc, *words)), error)
        return ""
    return done.stdout
