"""Which programs run, by their executables' names, cheaply: only processes not seen before are asked for theirs.

The list is the shipped one with the user's ``games.txt`` beside ``config.yaml``, read again when that file changes.
"""

import importlib.resources
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import psutil

from enforcer.game_mode.names import GameMode, parse
from qos.system.clock import NS_PER_S

LOOK_NS: Final = 2 * NS_PER_S
OWN_LIST: Final = "games.txt"


class GameWatch:
    """``playing`` is called every round; the processes are looked at every two seconds."""

    def __init__(self, config_path: Path | None, *, running: Callable[[], Iterable[str]] | None = None) -> None:
        self._own = (config_path.absolute().parent if config_path is not None else Path.cwd()) / OWN_LIST
        self._own_text: str | None = None
        self._running = running or _Running().names
        self._mode = GameMode(parse(""))
        self._looked_ns: int | None = None
        self._playing: str | None = None

    def playing(self, now_ns: int, setting: Literal["auto", "on", "off"]) -> str | None:
        """The program for which enforcement rests, or None. ``auto`` is on where a driver is loaded: on Windows."""
        if setting == "off" or (setting == "auto" and sys.platform != "win32"):
            return None
        if self._looked_ns is None or now_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = now_ns
            self._read()
            self._playing = self._mode.look(now_ns, self._running())
        return self._playing

    def _read(self) -> None:
        try:
            text = self._own.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            text = ""
        if text != self._own_text:
            self._own_text = text
            self._mode.games = parse(shipped_list(), text)


def shipped_list() -> str:
    """The list that comes with the program."""
    return importlib.resources.files("enforcer.game_mode").joinpath("anticheat.txt").read_text(encoding="utf-8")


class _Running:
    """Names by process id; a name is read once."""

    def __init__(self) -> None:
        self._names: Mapping[int, str] = {}

    def names(self) -> Iterable[str]:
        """The names of what runs now."""
        self._names = {pid: self._names.get(pid) or _name(pid) for pid in psutil.pids()}
        return self._names.values()


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except (psutil.Error, OSError):
        return ""
