"""Flow owners: which application is behind which local port, now. Events first, then the socket table, merged.

A thread reads flow events as they come and tells the engine about new flows at once; the rest is asked for by ticks. It
owns the flow table and the identities of processes; it knows no limits and no packets. Our own processes are nobody:
their ports are never limited.

Open only while somebody is limited: with no limit there is no handle and no thread.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from enforcer.datapath.filters import Transport
from qos.packets.divert import Drained, FlowEvent, FlowEvents
from qos.packets.flows import FlowTable, SocketRow
from qos.policy.applications import OURSELVES, ProcessIdentity
from qos.system.clock import NS_PER_MS, NS_PER_S, Clock
from qos.system.network_namespace import network_of
from qos.system.processes import Processes

_log = logging.getLogger(__name__)

NUMBERS: Final[dict[int, Transport]] = {6: "tcp", 17: "udp"}
NUMBER_OF: Final[dict[Transport, int]] = {name: number for number, name in NUMBERS.items()}
RESEED_NS: Final = 2 * NS_PER_S
"""How often the socket table is read again: for sockets older than the handles that start to be used."""
UNOPENED_NS: Final = 200 * NS_PER_MS
"""The same until the events are open."""


def apps_of(owners: Mapping[tuple[Transport, int], frozenset[str]]) -> frozenset[str]:
    """The applications that have ports, without ourselves."""
    return frozenset(app for apps in owners.values() for app in apps if app != OURSELVES)


class Events(Protocol):
    """Flow events as they come."""

    def recv(self, timeout_s: float | None = None) -> list[FlowEvent]:
        """Raises Drained when closed."""

    def shutdown_recv(self) -> None:
        """No more events: a waiting ``recv`` ends."""

    def close(self) -> None:
        """Safe to call twice."""


class FlowOwners:
    """See the module. ``on_flow(protocol number, port, app)`` is called from the events' thread, for every new flow;
    True when the loop has to look at once (``changed`` is set then)."""

    def __init__(
        self,
        processes: Processes,
        clock: Clock,
        *,
        on_flow: Callable[[int, int, str], bool],
        sockets: Callable[[], Sequence[SocketRow]],
        events: Callable[[], Events] = FlowEvents,
        network: Callable[[int | None], int | None] = network_of,
    ) -> None:
        self._processes, self._clock = processes, clock
        self._on_flow, self._sockets, self._open_events = on_flow, sockets, events
        self._network_of, self._network = network, network(None)
        self._table = FlowTable()
        self._lock = threading.Lock()
        self._events: Events | None = None
        self._stopped = threading.Event()
        self._opened = threading.Event()
        self._thread: threading.Thread | None = None
        self._seeded_ns: int | None = None
        self._own: frozenset[int] = frozenset()
        self._identities: dict[str, ProcessIdentity] = {}
        self.changed = threading.Event()
        """Set when a flow came that the loop has to know of at once."""
        self._notes: list[str] = []

    def start(self) -> None:
        """Begin to open the events. That takes a third of a second, on a busy machine more: nobody waits for it."""
        self._thread = threading.Thread(target=self._listen, name="enforcer-flows", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Read the table as it is now. It is read again when the events are open: nothing falls between."""
        self.refresh(force=True)

    def stop(self) -> None:
        """Close the events. Safe to call twice."""
        self._stopped.set()
        if self._events is not None:
            self._events.shutdown_recv()
        if self._thread is not None:
            self._thread.join(1)

    def set_own(self, pids: frozenset[int]) -> None:
        """The processes that are ours."""
        self._own = pids

    def refresh(self, *, force: bool = False) -> None:
        """Read the socket table again when it is time."""
        now_ns = self._clock.monotonic_ns()
        every_ns = RESEED_NS if self._opened.is_set() else UNOPENED_NS
        if not force and self._seeded_ns is not None and now_ns - self._seeded_ns < every_ns:
            return
        self._seeded_ns = now_ns
        rows = self._sockets()
        with self._lock:
            self._table.seed(rows, now_ns)
            self._table.expire(now_ns)
            self._processes.sweep(now_ns)

    def owners(self) -> dict[tuple[Transport, int], frozenset[str]]:
        """The applications behind each local port."""
        now_ns = self._clock.monotonic_ns()
        result: dict[tuple[Transport, int], frozenset[str]] = {}
        with self._lock:
            for (number, port), pids in self._table.by_port().items():
                protocol = NUMBERS.get(number)
                if protocol is not None:
                    result[protocol, port] = frozenset(self._app(pid, now_ns) for pid in pids)
        return result

    def apps_by_pid(self) -> dict[int, str]:
        """The processes that have ports now, and whose they are."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            pids = {pid for held in self._table.by_port().values() for pid in held}
            return {pid: self._app(pid, now_ns) for pid in pids}

    def take_notes(self) -> list[str]:
        """What happened since the last call that somebody should know."""
        notes, self._notes = self._notes, []
        return notes

    def identities(self) -> dict[str, ProcessIdentity]:
        """What is known of the applications met so far, by name."""
        with self._lock:
            return dict(self._identities)

    def _app(self, pid: int, now_ns: int) -> str:
        if pid in self._own:
            return OURSELVES
        identity = self._processes.identify(pid, now_ns)
        self._identities[identity.app] = identity
        return identity.app

    def _listen(self) -> None:
        events = None
        try:
            events = self._events = self._open_events()
            self.refresh(force=True)
            self._opened.set()
            while not self._stopped.is_set():
                self._apply(events.recv(None))
        except Drained:
            pass
        except Exception as error:  # the thread's one catch-all: without events new flows are caught by the table
            _log.exception("the flow events failed")
            why = f"{type(error).__name__}: {error}"
            self._notes.append(f"flow events failed, new flows are found every two seconds: {why}")
            self.changed.set()
        finally:
            self._opened.set()
            if events is not None:
                events.close()

    def _elsewhere(self, pid: int) -> bool:
        """Whether it is a container's process: its port numbers are not ours."""
        network = self._network_of(pid)
        return network is not None and self._network is not None and network != self._network

    def _apply(self, batch: Sequence[FlowEvent]) -> None:
        now_ns = self._clock.monotonic_ns()
        came: list[tuple[int, int, str]] = []
        batch = [event for event in batch if not self._elsewhere(event.pid)]  # asks the system: not under the lock
        with self._lock:
            for event in batch:
                self._table.apply(event)
                if event.kind in ("established", "connect", "bind", "accept") and event.local_port:
                    key = (event.protocol, event.family, event.local_addr, event.local_port)
                    holder = self._table.owner(key)
                    if holder is not None and not holder.shared and not holder.closed:
                        came.append((event.protocol, event.local_port, self._app(holder.pid, now_ns)))
        news = False
        for protocol, port, app in came:
            news = self._on_flow(protocol, port, app) or news
        if news:
            self.changed.set()
