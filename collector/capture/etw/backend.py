"""The ``etw`` backend: bytes per process from the system's own network events. Administrator, and no driver.

It proves itself before it says anything: known bytes over loopback must be in the events. While it runs, the sums are
held against what the system counts elsewhere (``attribution_check``); what does not fit makes it say that the
attribution is doubtful, everywhere, and never changes a byte. Sends are reported when they are complete, so bytes are
named up to three seconds after the interface counted them.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

from collector.capture import CaptureUnavailable, Delta, Owner, Sample
from collector.capture.etw import canary
from collector.capture.etw.attribution_check import AttributionCheck, Evidence, judge
from collector.capture.etw.callbacks import Feed
from collector.capture.etw.flows import KERNEL_PID, Moved, Totals, by_process
from collector.capture.etw.parser import Counted
from collector.capture.etw.process_start import ProcessStart
from collector.capture.etw.session import Api, Session
from collector.capture.executables import ROUNDING_NS, Executables
from qos.system import clock
from qos.system.elevation import elevated, how_to

LATE_NS: Final = 3 * 10**9
CANARY_S: Final = 3.0
_LOOK_S: Final = 0.1
WINDOW_NS: Final = 20 * 10**9
_FRESH_NS: Final = 10**9
_MAX_STARTED: Final = 4_096
_ESTIMATED: Final = "exact header bytes: they are estimated from the sizes of the payloads"
_FORWARDED: Final = "packets that this computer only forwards (WSL, Hyper-V, hotspot)"


class Counters(Protocol):
    """What the system counts apart from the events."""

    def datagrams(self) -> int | None:
        """UDP datagrams so far, both directions."""

    def forwarded(self) -> int:
        """Packets passed on for others so far."""

    def processes(self, pids: list[int]) -> dict[int, int]:
        """Payload bytes by process so far."""


class EtwCapture:
    """See the module. Arguments are for tests; the defaults are the real things."""

    name = "etw"

    def __init__(
        self,
        *,
        api: Callable[[], Api] | None = None,
        counters: Callable[[], Counters] | None = None,
        interfaces: Callable[[int], tuple[int, int] | None] | None = None,
        executables: Executables | None = None,
        send: Callable[[], tuple[canary.Sent, ...]] = canary.send,
        now_ns: Callable[[], int] = clock.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
        allowed: Callable[[], str | None] | None = None,
    ) -> None:
        self.blind_to: tuple[str, ...] = (_ESTIMATED, _FORWARDED)
        self._make_api, self._make_counters = api or _real_api, counters or _real_counters
        self._interfaces, self._executables = interfaces or _real_interfaces(), executables or Executables(_FRESH_NS)
        self._send, self._now_ns, self._sleep, self._allowed = send, now_ns, sleep, allowed or _allowed
        self._feed = Feed()
        self._session: Session | None = None
        self._started: dict[int, ProcessStart] = {}
        self._notes: list[str] = []
        self._lost_before = 0
        self._seen: set[int] = set()
        self._check = AttributionCheck()
        self._doubtful = ""

    def start(self) -> None:
        """Open the session and let the canary prove it. Raises CaptureUnavailable."""
        reason = self._allowed()
        if reason is not None:
            raise CaptureUnavailable(reason)
        api = self._make_api()
        self._counters = self._make_counters()
        why: tuple[str, ...] = ()
        for raw in (True, False):
            self._feed = Feed()
            self._session = Session(api, self._feed, raw=raw)
            self._session.start()
            only_events = not self._session.raw
            try:
                why = self._prove()
            except BaseException:
                self.stop()
                raise
            if not why:
                break
            self.stop()
            if only_events:
                break
        if why:
            raise CaptureUnavailable(f"ETW: the events do not show what this computer moves: {'; '.join(why)}")
        self._lost_before = 0
        self._open_window(self._now_ns())

    def _prove(self) -> tuple[str, ...]:
        """Send the canary and wait for it; what is missing of TCP. Missing UDP over loopback is only a note."""
        assert self._session is not None
        seen = canary.Sightings(self._send(), os.getpid())
        deadline_ns = self._now_ns() + int(CANARY_S * 1e9)
        while seen.missing() and self._now_ns() < deadline_ns:
            self._session.flush()
            self._sleep(_LOOK_S)
            seen.add(self._take())
        if seen.missing(("UDP",)):
            self._notes.append(f"the events do not show datagrams over loopback: {'; '.join(seen.missing(('UDP',)))}")
        return seen.missing(("TCP",))

    def _take(self) -> Counted:
        counted = self._feed.take()
        for start in counted.starts:
            self._started.pop(start.pid, None)
            self._started[start.pid] = start
        for pid in list(self._started)[: max(0, len(self._started) - _MAX_STARTED)]:
            del self._started[pid]
        return counted

    def poll(self) -> Sample:
        """What every process moved since the last poll. Raises CaptureUnavailable when the session was ended."""
        if self._session is None:
            return Sample(())
        if self._session.ended is not None:
            raise CaptureUnavailable(self._session.ended)
        now_ns = self._now_ns()
        self._session.flush()  # what it brings is there by the next poll
        counted = self._take()
        moved, totals = by_process(counted)
        said = self._session.lost()
        lost, self._lost_before = said.events + said.buffers - self._lost_before, said.events + said.buffers
        lost += counted.unreadable
        deltas = tuple(_delta(self._owner(pid), total) for pid, total in moved.items())
        self._observe(now_ns, counted, moved, totals, lost)
        notes, self._notes = tuple(self._notes), []
        return Sample(deltas, lost, notes, LATE_NS)

    def stop(self) -> None:
        """End the session; nothing stays behind in the system. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    # -- whose ------------------------------------------------------------------------------------------------------

    def _owner(self, pid: int) -> Owner | None:
        """None when the process was gone before anybody looked, and no event told its name."""
        if pid == 0:
            return None
        if pid == KERNEL_PID:
            return Owner(pid, name="System")
        owner = self._executables.look(pid)
        start = self._started.get(pid)
        if start is not None and (owner is None or owner.started_ns < start.started_ns - ROUNDING_NS):
            return Owner(pid, start.started_ns, start.name)  # the number's former process is what is remembered
        return owner

    # -- the check ---------------------------------------------------------------------------------------------------

    def _open_window(self, now_ns: int) -> None:
        self._window_ns = now_ns
        self._events = self._lost = self._estimated_rx = self._estimated_tx = self._datagrams = 0
        self._counted_rx = self._counted_tx = 0
        self._payload: dict[int, int] = {}
        self._counters_then = (self._counters.datagrams(), self._counters.forwarded())
        self._processes_then = self._counters.processes(sorted(self._seen))
        self._seen = set()
        self._previous = self._interfaces(now_ns)

    def _observe(self, now_ns: int, counted: Counted, moved: dict[int, Moved], totals: Totals, lost: int) -> None:
        self._events += counted.events
        self._lost += lost
        self._estimated_rx += sum(total.rx_bytes for total in moved.values())
        self._estimated_tx += sum(total.tx_bytes for total in moved.values())
        self._datagrams += totals.datagrams_in + totals.datagrams_out
        for table in counted.flows.values():
            for (pid, _), counts in table.items():
                self._payload[pid] = self._payload.get(pid, 0) + counts[0]
                self._seen.add(pid)
        # Events are a poll late, so they are held against what the interfaces counted a poll ago.
        if self._previous is not None:
            self._counted_rx += self._previous[0]
            self._counted_tx += self._previous[1]
        self._previous = self._interfaces(now_ns)
        if now_ns - self._window_ns >= WINDOW_NS:
            self._close_window(now_ns)

    def _close_window(self, now_ns: int) -> None:
        datagrams, forwarded = self._counters.datagrams(), self._counters.forwarded()
        before, forwarded_before = self._counters_then
        processes = self._counters.processes(list(self._processes_then))
        judgement = judge(
            Evidence(
                events=self._events,
                lost=self._lost,
                estimated_rx=self._estimated_rx,
                estimated_tx=self._estimated_tx,
                interface_rx=self._counted_rx if self._previous is not None else None,
                interface_tx=self._counted_tx if self._previous is not None else None,
                datagrams=self._datagrams,
                system_datagrams=None if datagrams is None or before is None else datagrams - before,
                forwarded=forwarded - forwarded_before,
                process_payload=self._payload,
                process_counters={pid: now - self._processes_then[pid] for pid, now in processes.items()},
            )
        )
        self._check.take(judgement)
        self._notes += judgement.remarks
        if self._check.doubtful != self._doubtful:
            if not self._doubtful:
                self._notes.append(f"capture doubtful: {self._check.doubtful}")
            elif not self._check.doubtful:
                self._notes.append("capture is no longer doubtful: events and interfaces agree again")
            self._doubtful = self._check.doubtful
            doubt = (f"the truth for certain: {self._doubtful}",) if self._doubtful else ()
            self.blind_to = (*doubt, _ESTIMATED, _FORWARDED)
        self._open_window(now_ns)


def _delta(owner: Owner | None, moved: Moved) -> Delta:
    return Delta(owner, moved.rx_bytes, moved.tx_bytes, moved.rx_packets, moved.tx_packets, moved.flows)


def _allowed() -> str | None:
    if sys.platform != "win32":
        return "runs on Windows alone"
    return None if elevated() else f"not an administrator: {how_to()}"


def _real_api() -> Api:
    from collector.capture.etw.api_windows import Sechost

    return Sechost()


def _real_counters() -> Counters:
    from collector.capture.etw.counters_windows import SystemCounters

    return SystemCounters()


def _real_interfaces() -> Callable[[int], tuple[int, int] | None]:
    from collector.interfaces.meter import InterfaceMeter

    meter = InterfaceMeter(("*",))

    def look(now_ns: int) -> tuple[int, int] | None:
        try:
            found = meter.look(now_ns)
        except OSError:
            return None
        return sum(i.moved.rx_bytes for i in found), sum(i.moved.tx_bytes for i in found)

    return look
