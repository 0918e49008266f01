"""Which process a socket belongs to. Its creator, until better is known.

- A socket that a process created belongs to that process (the kernel's ``Origin``, before the first packet).
- A socket that a listener accepted belongs to whom the listener belongs to.
- A socket older than the programs belongs to the process that held it at the start.
- A socket that a child inherited stays its parent's while the parent holds it too: nobody can tell which of them uses
  it. Once the parent has let go of it (closed it, or ended), it is the child's. What ``init`` (systemd) opened for a
  service is the service's as soon as that runs.

Pure bookkeeping but for ``processes`` (``/proc``) and ``list_sockets`` (sock_diag), which are handed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

_INIT: Final = 1
_DEPARTED: Final = 8192
_CONTESTED: Final = 256
_LISTENERS: Final = 8192


@dataclass(frozen=True, slots=True)
class Creator:
    """Who made a socket as the kernel saw it: the PID, the time (ns since boot) and the thread's name then."""

    pid: int
    at_ns: int
    comm: str = ""


Place = tuple[int, bytes, int]
"""Family, local address and port of a listener."""


class Processes(Protocol):
    """What custody asks ``/proc``."""

    def births(self) -> set[int]:
        """The processes born since it was asked last, as far as they still live."""

    def socket_inodes(self, pid: int) -> set[int]:
        """What sockets it holds; none when it is gone."""


@dataclass(slots=True)
class _Contest:
    cookie: int
    inode: int
    heir: int
    wait: int = 1
    """Polls between two looks; doubles, so that a lasting tie costs next to nothing."""
    left: int = 0


class Custody:
    """Sockets by cookie. One thread uses it. ``now_ns`` counts since boot.

    ``inodes_by_cookie`` lists the sockets there are; ``creator_of`` tells who made one that has had no traffic yet.
    """

    def __init__(
        self,
        processes: Processes,
        inodes_by_cookie: Callable[[], dict[int, int]],
        creator_of: Callable[[int], Creator | None],
    ) -> None:
        self._processes = processes
        self._inodes = inodes_by_cookie
        self._creator_of = creator_of
        self._heirs: dict[int, Creator] = {}
        self._creators: dict[int, Creator] = {}
        self._departed: dict[int, Creator] = {}
        self._listener_of: dict[int, int] = {}
        self._listeners: dict[Place, int] = {}
        self._contests: dict[int, _Contest] = {}

    def __len__(self) -> int:
        return len(self._creators)

    def created(self, cookie: int, creator: Creator) -> None:
        """A process made this socket, or held it when counting began."""
        self._creators[cookie] = creator

    def listening(self, cookie: int, place: Place) -> None:
        """This socket listens there."""
        self._listeners.pop(place, None)
        self._listeners[place] = cookie
        if len(self._listeners) > _LISTENERS:
            del self._listeners[next(iter(self._listeners))]

    def accepted(self, cookie: int, place: Place) -> bool:
        """A socket nobody created: find the listener at its local address and port. False when there is none."""
        family, local, port = place
        for where in (local, bytes(len(local))):
            listener = self._listeners.get((family, where, port))
            if listener is not None and listener != cookie:
                self._listener_of[cookie] = listener
                return True
        return False

    def owner(self, cookie: int) -> Creator | None:
        """Whose it is; None when nobody knows."""
        for _ in range(4):
            found = self._heirs.get(cookie) or self._creators.get(cookie) or self._departed.get(cookie)
            if found is not None:
                return found
            if cookie not in self._listener_of:
                return None
            cookie = self._listener_of[cookie]
        return None

    def closed(self, cookies: Iterable[int]) -> None:
        """Nothing more is expected of these; their owner is remembered for a straggler."""
        for cookie in cookies:
            owner = self.owner(cookie)
            self._creators.pop(cookie, None)
            self._heirs.pop(cookie, None)
            self._listener_of.pop(cookie, None)
            self._contests.pop(cookie, None)
            if owner is not None:
                self._departed[cookie] = owner
        while len(self._departed) > _DEPARTED:
            del self._departed[next(iter(self._departed))]

    def census(self, now_ns: int) -> None:
        """Look at the processes born since the last census: do they hold somebody else's socket?

        The cost goes with the number of new processes, not of all of them, and with the ties that last.
        """
        heirs = {pid: held for pid in self._processes.births() if (held := self._processes.socket_inodes(pid))}
        if heirs:
            self._find_contests(heirs)
        for contest in list(self._contests.values()):
            contest.left -= 1
            if contest.left <= 0:
                self._settle(contest, now_ns)

    def _find_contests(self, heirs: dict[int, set[int]]) -> None:
        cookies = {inode: cookie for cookie, inode in self._inodes().items()}
        for pid, inodes in heirs.items():
            for inode in inodes:
                cookie = cookies.get(inode)
                owner = self._known(cookie) if cookie is not None else None
                if cookie is not None and owner is not None and owner.pid != pid and len(self._contests) < _CONTESTED:
                    self._contests[cookie] = _Contest(cookie, inode, pid)

    def _known(self, cookie: int) -> Creator | None:
        return self.owner(cookie) or self._creator_of(cookie)

    def _settle(self, contest: _Contest, now_ns: int) -> None:
        owner = self._known(contest.cookie)
        held = contest.inode in self._processes.socket_inodes(contest.heir)
        if not held or owner is None or owner.pid == contest.heir:
            del self._contests[contest.cookie]
        elif owner.pid != _INIT and contest.inode in self._processes.socket_inodes(owner.pid):
            contest.wait = min(contest.wait * 2, 64)
            contest.left = contest.wait
        else:
            del self._contests[contest.cookie]
            self._heirs[contest.cookie] = Creator(contest.heir, now_ns)
            if len(self._heirs) > _DEPARTED:
                del self._heirs[next(iter(self._heirs))]
