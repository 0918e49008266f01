"""Which process a socket belongs to: its creator, until better is known.

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
_MAX_CLOSED: Final = 8192
_MAX_INHERITED: Final = 256
_MAX_LISTENERS: Final = 8192


@dataclass(frozen=True, slots=True)
class Creator:
    """Who made a socket as the kernel saw it: the PID, the time (ns since boot) and the thread's name then."""

    pid: int
    at_ns: int
    comm: str = ""


Place = tuple[int, bytes, int]
"""Family, local address and port of a listener."""


class ProcessTable(Protocol):
    """What is asked of ``/proc`` (``new_processes``)."""

    def new(self) -> set[int]:
        """The processes started since it was asked last, as far as they still live."""

    def socket_inodes(self, pid: int) -> set[int]:
        """What sockets it holds; none when it is gone."""


@dataclass(slots=True)
class _Inherited:
    """A socket that a child may have inherited from its owner."""

    cookie: int
    inode: int
    child: int
    wait: int = 1
    """Polls between two looks; doubles, so that a lasting tie costs next to nothing."""
    left: int = 0


class SocketOwners:
    """Owners of sockets by cookie. One thread uses it. ``now_ns`` counts since boot.

    ``inodes_by_cookie`` lists the sockets there are; ``creator_of`` tells who made one that has had no traffic yet.
    """

    def __init__(
        self,
        processes: ProcessTable,
        inodes_by_cookie: Callable[[], dict[int, int]],
        creator_of: Callable[[int], Creator | None],
    ) -> None:
        self._processes = processes
        self._inodes = inodes_by_cookie
        self._creator_of = creator_of
        self._inheritors: dict[int, Creator] = {}
        self._creators: dict[int, Creator] = {}
        self._closed: dict[int, Creator] = {}
        self._listener_of: dict[int, int] = {}
        self._listeners: dict[Place, int] = {}
        self._inherited: dict[int, _Inherited] = {}

    def __len__(self) -> int:
        return len(self._creators)

    def created(self, cookie: int, creator: Creator) -> None:
        """A process made this socket, or held it when counting began."""
        self._creators[cookie] = creator

    def listening(self, cookie: int, place: Place) -> None:
        """This socket listens there."""
        self._listeners.pop(place, None)
        self._listeners[place] = cookie
        if len(self._listeners) > _MAX_LISTENERS:
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
            found = self._inheritors.get(cookie) or self._creators.get(cookie) or self._closed.get(cookie)
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
            self._inheritors.pop(cookie, None)
            self._listener_of.pop(cookie, None)
            self._inherited.pop(cookie, None)
            if owner is not None:
                self._closed[cookie] = owner
        while len(self._closed) > _MAX_CLOSED:
            del self._closed[next(iter(self._closed))]

    def check_inherited(self, now_ns: int) -> None:
        """Look at the processes started since the last check: do they hold somebody else's socket?

        The cost goes with the number of new processes, not of all of them, and with the ties that last.
        """
        children = {pid: held for pid in self._processes.new() if (held := self._processes.socket_inodes(pid))}
        if children:
            self._find_inherited(children)
        for each in list(self._inherited.values()):
            each.left -= 1
            if each.left <= 0:
                self._settle(each, now_ns)

    def _find_inherited(self, children: dict[int, set[int]]) -> None:
        cookies = {inode: cookie for cookie, inode in self._inodes().items()}
        for pid, inodes in children.items():
            for inode in inodes:
                cookie = cookies.get(inode)
                owner = self._known(cookie) if cookie is not None else None
                if (
                    cookie is not None
                    and owner is not None
                    and owner.pid != pid
                    and len(self._inherited) < _MAX_INHERITED
                ):
                    self._inherited[cookie] = _Inherited(cookie, inode, pid)

    def _known(self, cookie: int) -> Creator | None:
        return self.owner(cookie) or self._creator_of(cookie)

    def _settle(self, socket: _Inherited, now_ns: int) -> None:
        owner = self._known(socket.cookie)
        held = socket.inode in self._processes.socket_inodes(socket.child)
        if not held or owner is None or owner.pid == socket.child:
            del self._inherited[socket.cookie]
        elif owner.pid != _INIT and socket.inode in self._processes.socket_inodes(owner.pid):
            socket.wait = min(socket.wait * 2, 64)
            socket.left = socket.wait
        else:
            del self._inherited[socket.cookie]
            self._inheritors[socket.cookie] = Creator(socket.child, now_ns)
            if len(self._inheritors) > _MAX_CLOSED:
                del self._inheritors[next(iter(self._inheritors))]
