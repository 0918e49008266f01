"""The list of programs that pause enforcement, and whether one of them runs. Pure."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

RESUME_NS: Final = 5 * 10**9
"""How long after the last of them ended enforcement comes back: launchers end and start others."""


@dataclass(frozen=True, slots=True)
class GameList:
    """Executable names in lower case, with ``*`` and ``?``."""

    patterns: tuple[str, ...]

    def first(self, running: Iterable[str]) -> str | None:
        """The first running program that is on the list."""
        return next(
            (name for name in running if any(fnmatch.fnmatchcase(name.lower(), p) for p in self.patterns)), None
        )


def parse(shipped: str, own: str = "") -> GameList:
    """The shipped list with the user's own: lines to add, and with a leading ``-`` to take out."""
    names: dict[str, None] = dict.fromkeys(name for sign, name in _lines(shipped) if not sign)
    for taken_out, name in _lines(own):
        if taken_out:
            names.pop(name, None)
        else:
            names[name] = None
    return GameList(tuple(names))


def _lines(text: str) -> Iterable[tuple[bool, str]]:
    for line in text.splitlines():
        name = line.partition("#")[0].strip().lower()
        if name:
            yield name.startswith("-"), name.lstrip("- ")


class GameMode:
    """Who plays, with a pause before it is over. ``now_ns`` is monotonic."""

    def __init__(self, games: GameList) -> None:
        self.games = games
        self._playing: str | None = None
        self._seen_ns = 0

    def look(self, now_ns: int, running: Iterable[str]) -> str | None:
        """The program for which enforcement rests; None when it may go on."""
        found = self.games.first(running)
        if found is not None:
            self._playing, self._seen_ns = found, now_ns
        elif self._playing is not None and now_ns - self._seen_ns >= RESUME_NS:
            self._playing = None
        return self._playing
