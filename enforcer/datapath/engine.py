"""The engine: threads and handles around the classifier. It moves packets; it decides nothing about applications.

One pump thread per open filter takes packets and sends on at once what may pass; one pacer sends the rest when its time
has come; one watch makes sure that both live. Taking, releasing and sending happen under one lock (the gate), so that
the order in which the classifier give packets out is the order in which they are sent.

It fails open. A stalled pump, packets that grew old in the system's queue, too many packets, a queue that overflowed,
an exception, a process that was suspended: everything that waits is sent, the handles are closed, and ``failed`` says
why. An engine that failed is not used again; whoever runs it makes a new one after a hold-off.

A filter is swapped without losing or reordering a packet: the new handle is opened at the same
priority, the old one stops receiving and is emptied, and only then is the new one's queue read.
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from enforcer.datapath.health import Health, LastSecond, PacketTotals
from enforcer.datapath.port import PacketPort, Receiver, Sender
from enforcer.datapath.timers import WakeableTimer
from enforcer.qdisc.classifier import Classifier, ClassStats, RateLimits
from qos.contract.direction import Direction
from qos.packets.divert import Drained, RawPacket
from qos.system.clock import NS_PER_MS, NS_PER_S, Clock

_log = logging.getLogger(__name__)

WATCH_S: Final = 0.1
QUANTUM_NS: Final = 1 * NS_PER_MS
"""The pacer naps at least so long: several packets are cheaper to send together."""
OLD_NS: Final = 200 * NS_PER_MS
STALL_NS: Final = 1 * NS_PER_S
OVERFLOWS: Final = 5
"""Looks in a row at which the system's queue had overflowed: one burst is no overload."""
SUSPENDED_NS: Final = 1_500 * NS_PER_MS
STOP_NS: Final = 700 * NS_PER_MS
"""Letting go takes at most so long, however stuck a pump is: less than the watchdog's patience (1.05 s)."""
_SWITCH_S: Final = 0.0005
"""The interpreter's switch interval while packets pass (measured: a third more throughput)."""


@dataclass(slots=True)
class _Pump:
    """One filter and its thread. ``busy_since_ns``: it works on a batch; ``old_since_ns``: its batches come late."""

    protocol: str
    text: str
    receiver: Receiver
    thread: threading.Thread | None = None
    busy_since_ns: int | None = None
    old_since_ns: int | None = None
    old_until_ns: int = 0
    oldest_ns: int = 0
    lost: int = 0
    overflows: int = 0


class Engine:
    """See the module.

    ``too_many`` is called from the watch when the packet rate is exceeded; True means that the caller narrows the
    filters and the engine goes on. ``beat`` is called ten times a second while all is well.
    """

    def __init__(
        self,
        port: PacketPort,
        classifier: Classifier,
        clock: Clock,
        *,
        max_packet_rate: int | None,
        too_many: Callable[[int], bool] = lambda _rate: False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.failed: str | None = None
        self._port, self._classifier, self._clock = port, classifier, clock
        self.max_packet_rate, self._too_many, self._beat = max_packet_rate, too_many, beat
        self._gate = threading.Lock()
        self._handles = threading.RLock()
        self._pumps: dict[str, _Pump] = {}
        self._sender: Sender | None = None
        self._timer = WakeableTimer()
        self._due_ns: int | None = None
        self._sent = self._refused = self._worked_ns = 0
        self._deadline_ns: int | None = None
        self._closing = threading.Event()
        self._released = False
        self._threads: list[threading.Thread] = []
        self._swaps = 0
        self._health = Health(0, 0, 0, 0, 0, 0)
        self._old_switch_s: float | None = None

    # -- for the one who runs it -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the sender and start pacing. Raises OSError."""
        self._sender = self._port.sender()
        self._old_switch_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        for name, work in (("pacer", self._release_loop), ("watch", self._watch_loop)):
            thread = threading.Thread(target=self._guard, args=(name, work), name=f"enforcer-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def update(self, rates: Mapping[str, RateLimits], owners: Mapping[tuple[int, int], str] | None = None) -> None:
        """The limits, and who is behind which port, from now on. ``owners`` None: as before."""
        with self._gate:
            if self._released:
                return
            now_ns = self._clock.monotonic_ns()
            if owners is not None:
                self._classifier.set_owners(now_ns, owners)
            self._send(self._classifier.set_rates(now_ns, rates))
            self._rearm(now_ns)

    def adopt(self, protocol: int, port: int, app: str) -> None:
        """A new flow's port, as soon as it is known."""
        with self._gate:
            if not self._released:
                self._classifier.adopt(self._clock.monotonic_ns(), protocol, port, app)

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        """How every lane does."""
        with self._gate:
            return self._classifier.stats(self._clock.monotonic_ns())

    @property
    def foreign(self) -> int:
        """Packets so far of nobody who is limited: they were sent on at once."""
        return self._classifier.foreign

    @property
    def health(self) -> Health:
        """How the engine does."""
        return self._health

    def divert(self, protocol: str, text: str | None) -> None:
        """Put one protocol's filter in force in place of its former one; None: none. Raises OSError, ValueError."""
        with self._handles:
            if self._released or self._closing.is_set():
                return
            old = self._pumps.get(protocol)
            if old is not None and old.text == text:
                return
            new = None
            if text is not None:
                new = _Pump(protocol, text, self._port.receiver(text))
            self._swaps += 1
            if old is not None:
                self._retire(old)
                del self._pumps[protocol]
            if new is not None:
                self._pumps[protocol] = new
                self._launch(new)

    def reopen(self) -> None:
        """Open every filter again as it is: there are new interfaces. Raises OSError."""
        with self._handles:
            for protocol, pump in list(self._pumps.items()):
                pump.text, text = "", pump.text
                self.divert(protocol, text)

    def stop(self, reason: str = "stopped") -> None:
        """Send everything that waits and close every handle. Safe to call twice, and after a failure."""
        self._closing.set()
        self._release(reason)
        self._timer.wake()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(self._patience_s())
        self._timer.close()
        if self._old_switch_s is not None:
            sys.setswitchinterval(self._old_switch_s)
            self._old_switch_s = None

    # -- the threads ------------------------------------------------------------------------------------------------

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        """The one catch-all of each thread: whatever it is, packets must flow."""
        try:
            work()
        except Exception as error:
            _log.exception("the %s failed", name)
            self._fail(f"the {name} failed: {type(error).__name__}: {error}")

    def _launch(self, pump: _Pump) -> None:
        name = f"{pump.protocol} pump"
        pump.thread = threading.Thread(
            target=self._guard, args=(name, lambda: self._pump_loop(pump)), name=f"enforcer-{name}", daemon=True
        )
        pump.thread.start()

    def _pump_loop(self, pump: _Pump) -> None:
        clock, receiver, classifier, gate = self._clock, pump.receiver, self._classifier, self._gate
        while True:
            try:
                batch = receiver.recv(None)
            except Drained:
                return
            if not batch:
                continue
            now_ns = clock.monotonic_ns()
            pump.busy_since_ns = now_ns
            self._age(pump, now_ns, now_ns - batch[0].timestamp_ns)
            with gate:
                self._send(classifier.take(now_ns, batch))
                self._rearm(now_ns)
            pump.busy_since_ns = None
            self._worked_ns += clock.monotonic_ns() - now_ns

    def _age(self, pump: _Pump, now_ns: int, age_ns: int) -> None:
        pump.oldest_ns = max(pump.oldest_ns, age_ns)
        if age_ns <= OLD_NS:
            pump.old_since_ns = None
            return
        if pump.old_since_ns is None:
            pump.old_since_ns = now_ns
        pump.old_until_ns = now_ns

    def _send(self, packets: list[RawPacket]) -> None:
        if packets and self._sender is not None:
            taken = self._sender.send(packets)
            self._sent += taken
            self._refused += max(0, len(packets) - taken)

    def _rearm(self, now_ns: int) -> None:
        """Tell the pacer when something is due; it is woken only for a time before its own."""
        due_ns = self._classifier.next_at(now_ns)
        held = self._due_ns
        if due_ns is not None and (held is None or due_ns + QUANTUM_NS < held):
            self._due_ns = due_ns
            self._timer.wake()

    def _release_loop(self) -> None:
        while not self._closing.is_set():
            with self._gate:
                now_ns = self._clock.monotonic_ns()
                self._send(self._classifier.release(now_ns))
                due_ns = self._classifier.next_at(now_ns)
                self._due_ns = due_ns = None if due_ns is None else max(due_ns, now_ns + QUANTUM_NS)
                self._worked_ns += self._clock.monotonic_ns() - now_ns
            self._timer.wait(None if due_ns is None else (due_ns - now_ns) / NS_PER_S)

    def _watch_loop(self) -> None:
        then_ns = self._clock.monotonic_ns()
        lately = LastSecond(self._totals(then_ns))
        while not self._closing.wait(WATCH_S):
            self._beat()
            now_ns = self._clock.monotonic_ns()
            if now_ns - then_ns > SUSPENDED_NS:
                self._fail(f"was suspended for {(now_ns - then_ns) / NS_PER_S:.1f} s")
                return
            then_ns = now_ns
            lately.look(self._totals(now_ns))
            if why := lately.refusal():
                self._fail(why)
                return
            oldest_ns = max((pump.oldest_ns for pump in list(self._pumps.values())), default=0)
            if why := lately.excess(self.max_packet_rate, oldest_ns):
                rate = lately.rate
                lately.restart()
                if not self._too_many(rate):
                    self._fail(why)
                    return
            if trouble := self._trouble(now_ns, lately.rate, lately.foreign_rate):
                self._fail(trouble)
                return

    def _totals(self, now_ns: int) -> PacketTotals:
        return PacketTotals(
            now_ns, self._classifier.seen, self._classifier.foreign, self._sent, self._refused, self._worked_ns
        )

    def _trouble(self, now_ns: int, rate: int, foreign: int) -> str | None:
        pumps = list(self._pumps.values())
        lost = 0
        for pump in pumps:
            busy, old = pump.busy_since_ns, pump.old_since_ns
            if busy is not None and now_ns - busy > STALL_NS:
                return f"the {pump.protocol} pump has been stuck for {(now_ns - busy) / NS_PER_S:.1f} s"
            if old is not None and pump.old_until_ns - old > STALL_NS:
                return f"{pump.protocol} packets wait {pump.oldest_ns / NS_PER_MS:.0f} ms in the system's queue"
            now_lost = pump.receiver.lost()
            pump.overflows = pump.overflows + 1 if now_lost > pump.lost else 0
            pump.lost = now_lost
            if pump.overflows >= OVERFLOWS:
                return f"the system's {pump.protocol} queue overflows: {now_lost} packets passed by or were lost"
            lost += now_lost
        oldest = max((pump.oldest_ns for pump in pumps), default=0)
        self._health = Health(rate, foreign, oldest, len(pumps), self._swaps, lost, self._refused)
        for pump in pumps:
            pump.oldest_ns = 0
        return None

    # -- letting go --------------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> None:
        if self.failed is None and not self._closing.is_set():
            self.failed = reason
            self._closing.set()
            self._timer.wake()
            self._release(reason)

    def _patience_s(self) -> float:
        """How long to wait for a thread or the gate: half a second, all waits of a stop together ``STOP_NS``."""
        if self._deadline_ns is None:
            return 0.5
        return max(0.0, min(NS_PER_S // 2, self._deadline_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def _retire(self, pump: _Pump) -> None:
        """End a filter: its pump (or we, when the pump is dead) passes on what is queued, then the handle is closed."""
        pump.receiver.shutdown_recv()
        if pump.thread is not None and pump.thread is not threading.current_thread():
            pump.thread.join(self._patience_s())
        if pump.thread is None or not pump.thread.is_alive() or pump.thread is threading.current_thread():
            left = pump.receiver.drain()
            if left and self._gate.acquire(timeout=self._patience_s()):
                try:
                    self._send(self._classifier.take(self._clock.monotonic_ns(), left))
                finally:
                    self._gate.release()
        pump.receiver.close()

    def _release(self, reason: str) -> None:
        """Everything that waits is sent, every handle is closed, packets flow as if we were not there."""
        with self._handles:
            if self._released:
                return
            self._beat()
            self._deadline_ns = self._clock.monotonic_ns() + STOP_NS
            pumps, self._pumps = list(self._pumps.values()), {}
            for pump in pumps:
                pump.receiver.shutdown_recv()
            free = self._gate.acquire(timeout=self._patience_s())
            self._released = True
            try:
                if free:
                    self._send(self._classifier.drain())
            finally:
                if free:
                    self._gate.release()
            for pump in pumps:
                self._retire(pump)
            sender, self._sender = self._sender, None
            if sender is not None:
                sender.close()
            _log.info("packets flow freely: %s", reason)
