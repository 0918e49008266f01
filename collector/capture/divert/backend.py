"""The ``divert`` backend: copies of all packets through pydivert, their owners by flow and socket events.

The Windows way to count, and on Linux its proof. One thread reads raw batches and sums up
(``flow_counts``), one takes events in and looks at their processes while they live; ``poll`` brings the two together
(``attribution``). The cost is per packet. Sockets older than the handles, and whatever no event told of, come from
snapshots of the system's socket table, taken only while somebody's owner is unknown, when a process was started that
holds sockets already, and now and then.

On Linux a handle covers the interfaces that exist when it opens: new ones get a handle of their own.
"""

import errno
import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from time import sleep, thread_time_ns
from typing import Final

from collector.capture import CaptureUnavailable, Delta, Sample
from collector.capture.divert.attribution import FlowAttribution
from collector.capture.divert.flow_counts import FlowCounter, FlowCounts
from collector.capture.executables import Executables
from qos.packets import divert
from qos.packets.flows import FlowTable
from qos.system import clock
from qos.system.sockets import inherited_sockets, sockets

if sys.platform == "linux":
    from collector.capture.divert.process_events_linux import ProcessEvents

log = logging.getLogger(__name__)

_FRESH_NS: Final = 200_000_000 if sys.platform == "linux" else 1_000_000_000
"""Within this, one process's many events are one look; psutil's looks cost more than those into ``/proc``."""
_WAIT_S: Final = 0.25
_GATHER_S: Final = 0.005
"""A pause after a small batch, so that the next one is larger: a wake-up costs as much as many packets."""
_FULL: Final = 128
_SWITCH_S: Final = 0.0005
"""The interpreter's switch interval meanwhile: a thread that looks at a dying process must not wait for 5 ms."""
_SNAPSHOT_NS: Final = 15 * 10**9
"""A snapshot at least so often: it ends what closed unseen."""
_SNAPSHOT_SHARE: Final = 20
"""A snapshot that cost t of CPU waits 20 t before the next: at most 5 % of a core."""
_LOOKS_NS: Final = (0, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000)
"""When the table is read after a process was started that holds sockets already."""
_LATE_NS: Final = 1_000_000_000
_MAX_READERS: Final = 4


class _Reader:
    """A sniffing handle and the thread that counts what it brings."""

    def __init__(self, interfaces: Sequence[str] | None, spare: bool = False) -> None:
        self._sniffer = divert.Sniffer(
            divert.sniff_filter(),
            priority=divert.SNIFF_PRIORITY,
            interfaces=interfaces,
            ring_bytes=(4 if spare else 16) << 20,
        )
        self._counter, self._lock = FlowCounter(), threading.Lock()
        self._lost, self._unread, self._late_ns = 0, 0, 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="sniffer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                batch = self._sniffer.recv(_WAIT_S)
                if batch is None:
                    continue
                with self._lock:
                    self._unread += self._counter.add(batch)
                    self._late_ns = max(self._late_ns, clock.monotonic_ns() - batch.oldest_ns)
                if batch.count < _FULL:
                    sleep(_GATHER_S)
        except divert.Drained:
            pass
        except Exception:  # the thread's one catch-all: the reason is logged, poll opens another
            log.exception("reading packets stopped")
        finally:
            self._ended = True

    @property
    def ended(self) -> bool:
        """True when its thread is gone."""
        return self._ended

    def take(self) -> tuple[FlowCounts, int, int]:
        """What was counted since the last take, packets lost since then, and how late the latest one was (ns)."""
        lost = self._sniffer.lost()
        with self._lock:
            counted, unread, late_ns = self._counter.take(), self._unread, self._late_ns
            self._unread = self._late_ns = 0
        new, self._lost = lost - self._lost, lost
        return counted, new + unread, late_ns

    def stop(self) -> None:
        """Capture nothing more and read what is there; ``take`` still works until ``close``."""
        self._sniffer.shutdown_recv()
        self._thread.join(5)

    def close(self) -> None:
        """Give the handle back."""
        self._sniffer.close()


class DivertCapture:
    """Counts by sniffing. ``interfaces``: globs of names (Linux), None for all but loopback; Windows sees them all."""

    name = "divert"
    blind_to: tuple[str, ...] = ("packets that this machine only forwards (containers, virtual machines, hotspots)",)

    def __init__(self, interfaces: Sequence[str] | None = None) -> None:
        self._globs = tuple(interfaces) if interfaces is not None and "*" not in interfaces else None
        self._executables = Executables(_FRESH_NS)
        self._stop_watching: Callable[[], None] = lambda: None
        self._table, self._table_lock = FlowTable(), threading.Lock()
        self._attribution = FlowAttribution(self._table)
        self._readers: list[_Reader] = []
        self._covered: dict[int, str] = {}
        self._events: divert.FlowEvents | None = None
        self._thread: threading.Thread | None = None
        self._snapshot_ns, self._snapshot_wait_ns = 0, 0
        self._looks: list[int] = []
        self._switch_s: float | None = None
        self._notes: list[str] = []
        self._said: set[str] = set()

    def start(self) -> None:
        """Open the handles, then read the socket table. Raises CaptureUnavailable."""
        if self._events is not None:
            raise RuntimeError("started twice")
        reason = divert.available()
        if reason is not None:
            raise CaptureUnavailable(reason)
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            self._watch_processes()
            self._events = divert.FlowEvents()
            self._thread = threading.Thread(target=self._run, args=(self._events,), name="flow-owners", daemon=True)
            self._thread.start()
            self._cover()
            inherited_sockets()
            self._snapshot(clock.monotonic_ns())
        except OSError as error:
            self.stop()
            raise CaptureUnavailable(f"pydivert: {error.strerror or error}") from error
        except BaseException:
            self.stop()
            raise

    def _watch_processes(self) -> None:
        """Hear of processes as they start, where the system tells: short ones are gone before their first event."""
        if sys.platform == "linux":
            with suppress(OSError):  # not the first PID namespace, or a kernel without: flow events must do
                self._stop_watching = ProcessEvents(self._on_process).stop

    def _on_process(self, pid: int, parent: int) -> None:
        if parent:
            self._executables.forked(pid, parent)
        else:
            self._executables.execed(pid)

    def _run(self, events: divert.FlowEvents) -> None:
        try:
            while True:
                batch = events.recv(_WAIT_S)
                for event in batch:
                    if event.kind not in ("deleted", "close"):
                        self._executables.look(event.pid)  # while it lives
                with self._table_lock:
                    for event in batch:
                        self._table.apply(event)
        except divert.Drained:
            pass
        except Exception:  # the thread's one catch-all: the reason is logged, snapshots go on naming owners
            log.exception("reading flow events stopped")
            self._note("flow events stopped: short connections go unattributed (see the log)")

    def poll(self) -> Sample:
        """What was counted since the last poll, by owner."""
        if self._events is None:
            raise RuntimeError("not started")
        now_ns = clock.monotonic_ns()
        lost = self._collect(now_ns)
        self._cover()
        return Sample(self._settle(now_ns), lost, self._take_notes())

    def _collect(self, now_ns: int) -> int:
        """Take what the readers counted; the packets that they lost."""
        lost = 0
        for reader in list(self._readers):
            counted, missed, late_ns = reader.take()
            self._attribution.count(counted, now_ns)
            lost += missed
            if late_ns > _LATE_NS:
                self._note("packets come faster than they can be counted: some may be missing")
            if reader.ended:
                reader.close()
                self._readers.remove(reader)
                self._covered.clear()
        return lost

    def _settle(self, now_ns: int) -> tuple[Delta, ...]:
        if inherited_sockets():  # the parent may let go of its socket a little later
            self._looks = [now_ns + wait_ns for wait_ns in _LOOKS_NS]
        since_ns = now_ns - self._snapshot_ns
        rested = since_ns >= self._snapshot_wait_ns
        due = since_ns >= _SNAPSHOT_NS or self._table.contested or (self._looks and self._looks[0] <= now_ns)
        if rested and due:
            self._snapshot(now_ns)
            rested = False
        with self._table_lock:
            deltas = list(self._attribution.settle(now_ns, self._executables.owner))
            self._table.expire(now_ns)
        if rested and self._attribution.waiting:
            self._snapshot(now_ns)
            with self._table_lock:
                deltas += self._attribution.settle(now_ns, self._executables.owner)
        return tuple(deltas)

    def _snapshot(self, now_ns: int) -> None:
        spent_ns = thread_time_ns()
        try:
            rows = sockets()
        except OSError as error:
            self._note(f"the socket table cannot be read ({error.strerror}): older connections go unattributed")
            rows = []
        self._snapshot_ns = now_ns
        self._snapshot_wait_ns = _SNAPSHOT_SHARE * (thread_time_ns() - spent_ns)
        self._looks = [at_ns for at_ns in self._looks if at_ns > now_ns]
        with self._table_lock:
            self._table.seed(rows, now_ns)

    def _cover(self) -> None:
        """Give interfaces that appeared a reader; when there were many such, one reader for all of them."""
        if sys.platform == "win32":
            if not self._readers:
                self._readers.append(_Reader(None))
            return
        there = {index: name for index, name in socket.if_nameindex() if self._wanted(name)}
        for gone in self._covered.keys() - there.keys():
            del self._covered[gone]
        new = {index: name for index, name in there.items() if index not in self._covered}
        if not new:
            return
        if len(self._readers) >= _MAX_READERS:
            for reader in self._readers:
                reader.stop()
                self._attribution.count(reader.take()[0], clock.monotonic_ns())
                reader.close()
            self._readers.clear()
            new = there
        try:
            self._readers.append(_Reader(sorted(new.values()), spare=bool(self._readers)))
        except OSError as error:
            if self._readers and error.errno == errno.ENODEV:
                return  # gone again already: the next poll looks anew
            raise
        self._covered |= new

    def _wanted(self, name: str) -> bool:
        if self._globs is None:
            return name != "lo"
        return any(fnmatchcase(name, glob) for glob in self._globs)

    def _note(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._notes.append(line)

    def _take_notes(self) -> tuple[str, ...]:
        notes, self._notes = tuple(self._notes), []
        return notes

    def stop(self) -> None:
        """Close every handle; nothing stays behind in the system. Safe to call twice."""
        for reader in self._readers:
            reader.stop()
            reader.close()
        self._readers.clear()
        self._covered.clear()
        events, self._events = self._events, None
        if events is not None:
            events.shutdown_recv()
            if self._thread is not None:
                self._thread.join(5)
            events.close()
        self._stop_watching()
        if self._switch_s is not None:
            sys.setswitchinterval(self._switch_s)
            self._switch_s = None
