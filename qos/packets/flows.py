"""Which process holds a local port: flow and socket events merged with snapshots of the system's socket table. Pure.

Keyed by protocol, IP version, local address and local port, because a port number alone has several owners on a real
machine. Order matters: the event handles are opened first, then the table is read, so nothing falls between; what an
event said after the table was read wins. A close leaves a tombstone, so that the last packets, and a snapshot that was
read before it, find the truth. What two snapshots in a row do not show is gone. PIDs 0 and 4 own nothing (nobody, and
the Windows kernel, which claims others' ports). Times are monotonic nanoseconds, handed in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from qos.packets.divert.address import FlowEvent

KEEP_CLOSED_NS: Final = 30 * 10**9
"""How long a tombstone still answers: the last packets of a flow, and a tick that comes late."""
MAX_TOMBSTONES: Final = 65_536
ABSENCES: Final = 2
NOBODY: Final = frozenset({0, 4})

Key = tuple[int, int, bytes, int]
"""Protocol number, 4 or 6, local address (4 or 16 bytes), local port."""
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_ANY: Final = {4: bytes(4), 6: bytes(16)}


@dataclass(frozen=True, slots=True)
class SocketRow:
    """One socket of a snapshot and one process that holds it. A socket held by two processes is two rows."""

    protocol: int
    family: int
    """4 or 6; a v4-mapped address counts as 4."""
    local_addr: bytes
    local_port: int
    pid: int
    remote_addr: bytes = b""
    remote_port: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a key. ``shared``: others do, too: leave the port alone. ``closed``: held it until just now."""

    pid: int
    shared: bool = False
    closed: bool = False


@dataclass(slots=True)
class _Claim:
    pid: int
    seen_ns: int
    event: bool
    endpoint: int
    remote: tuple[bytes, int]
    absences: int = 0


@dataclass(frozen=True, slots=True)
class _Tombstone:
    pid: int
    endpoint: int
    closed_ns: int


def address_of(address: bytes) -> tuple[int, bytes]:
    """IP version and address; a v4-mapped IPv6 address is IPv4."""
    if len(address) == 16 and address.startswith(_V4_MAPPED):
        return 4, address[12:]
    return (4 if len(address) == 4 else 6), address


class FlowTable:
    """See the module. One thread at a time uses it."""

    def __init__(self) -> None:
        self._claims: dict[Key, dict[object, _Claim]] = {}
        self._tombstones: dict[Key, _Tombstone] = {}
        self.contested = False
        """An event named another owner than the last snapshot: a child may have inherited the socket. Look again."""

    def __len__(self) -> int:
        return len(self._claims)

    def apply(self, event: FlowEvent) -> None:
        """Take an event in. Events may come out of order between the two layers; what is older than a close is late."""
        if event.pid in NOBODY or not event.local_port:
            return
        key = (event.protocol, event.family, event.local_addr, event.local_port)
        remote = (event.remote_addr if event.remote_port else b"", event.remote_port)
        if event.kind in ("close", "deleted"):
            self._close(key, event, remote)
            return
        tombstone = self._tombstones.get(key)
        if tombstone is not None:
            if tombstone.endpoint == event.endpoint and event.timestamp_ns <= tombstone.closed_ns:
                return
            if event.timestamp_ns > tombstone.closed_ns:
                del self._tombstones[key]
        name = (event.endpoint, remote) if event.kind == "established" else event.endpoint
        held = self._claims.setdefault(key, {})
        if any(not claim.event and claim.pid != event.pid for claim in held.values()):
            self.contested = True
        known = held.get(name)
        seen_ns = event.timestamp_ns if known is None else max(known.seen_ns, event.timestamp_ns)
        held[name] = _Claim(event.pid, seen_ns, True, event.endpoint, remote)

    def _close(self, key: Key, event: FlowEvent, remote: tuple[bytes, int]) -> None:
        held = self._claims.get(key)
        if held is None:
            if key not in self._tombstones:
                self._bury(key, event.pid, event.endpoint, event.timestamp_ns)
            return
        if event.kind == "deleted":
            held.pop((event.endpoint, remote), None)
        else:
            for name in [n for n, claim in held.items() if claim.event and claim.endpoint == event.endpoint]:
                del held[name]
        row = held.get(("row", event.pid, remote))
        if row is not None and row.seen_ns <= event.timestamp_ns:
            del held[("row", event.pid, remote)]
        if not held:
            del self._claims[key]
            self._bury(key, event.pid, event.endpoint, event.timestamp_ns)

    def _bury(self, key: Key, pid: int, endpoint: int, closed_ns: int) -> None:
        self._tombstones.pop(key, None)
        if len(self._tombstones) >= MAX_TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]
        self._tombstones[key] = _Tombstone(pid, endpoint, closed_ns)

    def seed(self, rows: Iterable[SocketRow], taken_ns: int) -> None:
        """Merge a snapshot of the socket table; ``taken_ns`` is when its reading began. Snapshots come in order."""
        shown: dict[Key, set[int]] = {}
        self.contested = False
        for row in rows:
            if row.pid in NOBODY or not row.local_port:
                continue
            key = (row.protocol, row.family, row.local_addr, row.local_port)
            tombstone = self._tombstones.get(key)
            held = self._claims.get(key, {})
            if tombstone is not None and tombstone.closed_ns >= taken_ns:
                continue
            remote = (row.remote_addr if row.remote_port else b"", row.remote_port)
            name = ("row", row.pid, remote)
            if name not in held and any(claim.event and claim.seen_ns >= taken_ns for claim in held.values()):
                continue  # the port changed hands while the table was read
            shown.setdefault(key, set()).add(row.pid)
            self._claims.setdefault(key, held)[name] = _Claim(row.pid, taken_ns, False, 0, remote)
            self._tombstones.pop(key, None)
        for key, held in list(self._claims.items()):
            pids = shown.get(key, ())
            for known, claim in list(held.items()):
                if claim.pid in pids and (claim.event or claim.seen_ns == taken_ns):
                    claim.seen_ns, claim.absences = max(claim.seen_ns, taken_ns), 0
                elif claim.seen_ns < taken_ns:
                    claim.absences += 1
                    if claim.absences >= ABSENCES:
                        del held[known]
                        if not held:
                            del self._claims[key]
                            self._bury(key, claim.pid, claim.endpoint, taken_ns)

    def expire(self, now_ns: int) -> None:
        """Forget tombstones that are too old to answer."""
        for key in [k for k, stone in self._tombstones.items() if now_ns - stone.closed_ns > KEEP_CLOSED_NS]:
            del self._tombstones[key]

    def owner(self, key: Key, remote: tuple[bytes, int] = (b"", 0)) -> Holder | None:
        """Who holds ``key``, else who just closed it, else who holds the port on any address; None: nobody known.

        ``remote`` (address, port) tells apart processes that share a local port towards different hosts.
        """
        for candidate in _candidates(key):
            held = self._claims.get(candidate)
            if held:
                claims = [claim for claim in held.values() if claim.remote == remote] if remote[1] else []
                best = max(claims or held.values(), key=lambda claim: (claim.seen_ns, claim.event, -claim.pid))
                return Holder(best.pid, shared=len({claim.pid for claim in held.values()}) > 1)
            stone = self._tombstones.get(candidate)
            if stone is not None:
                return Holder(stone.pid, closed=True)
        return None

    def by_port(self) -> dict[tuple[int, int], frozenset[int]]:
        """Everybody who holds a protocol's local port, on whatever address: (protocol, port) to PIDs."""
        holders: dict[tuple[int, int], set[int]] = {}
        for (protocol, _, _, port), held in self._claims.items():
            holders.setdefault((protocol, port), set()).update(claim.pid for claim in held.values())
        return {port: frozenset(pids) for port, pids in holders.items()}


def _candidates(key: Key) -> Iterator[Key]:
    """The key, the same port on any address, and for IPv4 a dual-stack socket's: bound to ``::``."""
    protocol, family, _, port = key
    yield key
    yield (protocol, family, _ANY[family], port)
    if family == 4:
        yield (protocol, 6, _ANY[6], port)
