"""Probes: one echo per target and interval, all at once, whatever any of them does; the tick only collects results.

A scheduler thread starts each probe in a thread of its own. A target has a bounded number in flight; when that is
reached (it does not answer, or its name takes for ever to resolve) the due probe counts as failed without a packet, so
every interval yields one outcome per target. A name is resolved once and again after a failure, then the next of its
addresses is tried. A probe that outlives its timeout by far is given up and its late answer ignored.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from collector.probes.ask import Asker
from collector.probes.result import ProbeResult
from collector.probes.statistics import TargetStats
from qos.system import clock
from qos.system.clock import Clock
from qos.system.echo import EchoReply, Reason, echo_bytes, is_address, resolve

MIN_INTERVAL_NS: Final = 100 * 10**6
"""No target is ever asked more often: a probe must not be a load."""
MAX_IN_FLIGHT: Final = 8
MAX_ABANDONED: Final = 4
MAX_PAUSE_NS: Final = 10**9
"""A target that is added is asked for so soon at the latest."""
_BACKLOG: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A probe that has no answer yet. Times are monotonic ns."""

    target: str
    sent_ns: int
    age_ns: int


class Ask(Protocol):
    """Sends one echo and waits (``collector.probes.ask``)."""

    def __call__(self, address: str, timeout_ns: int, seq: int) -> EchoReply: ...


@dataclass(slots=True)
class _Flight:
    sent_wall_ns: int
    sent_ns: int
    given_up: bool = False
    asked: bool = False
    """Its name is resolved, and the packet is on its way."""


@dataclass(slots=True)
class _Target:
    name: str
    ask: str
    """The address or host name."""
    stats: TargetStats
    due_ns: int
    seq: int
    addresses: tuple[str, ...] = ()
    stale: bool = False
    resolving: bool = False
    abandoned: int = 0
    flights: list[_Flight] = field(default_factory=list)


class Prober:
    """Probes from ``start`` to ``stop``; ``collect`` hands over what finished since the last call."""

    def __init__(
        self,
        targets: Iterable[str],
        *,
        interval_ns: int,
        timeout_ns: int,
        window_ns: int,
        ask: Ask | None = None,
        look_up: Callable[[str], tuple[str, ...]] = resolve,
        time: Clock = clock.SYSTEM,
    ) -> None:
        self._interval_ns = max(interval_ns, MIN_INTERVAL_NS)
        self._timeout_ns = timeout_ns
        self._in_flight = min(MAX_IN_FLIGHT, -(-timeout_ns // self._interval_ns) + 1)
        self._ask: Ask = ask or Asker()
        self._look_up, self._time = look_up, time
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._results: deque[ProbeResult] = deque(maxlen=_BACKLOG)
        self._thread: threading.Thread | None = None
        self._window_ns = window_ns
        now_ns, names = time.monotonic_ns(), tuple(targets)
        # Spread over the interval: the probes do not delay each other, and together they see sooner that it got slow.
        self._share_ns = self._interval_ns // max(1, len(names))
        self._targets = [
            _Target(name, name, TargetStats(window_ns), now_ns + i * self._share_ns, 1000 * i)
            for i, name in enumerate(names)
        ]

    def start(self) -> None:
        """Begin probing."""
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop starting probes; those in flight end by themselves. Safe to call twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def collect(self) -> tuple[ProbeResult, ...]:
        """What finished since the last call, in the order of finishing."""
        found = []
        while self._results:
            found.append(self._results.popleft())
        return tuple(found)

    def outstanding(self) -> tuple[Outstanding, ...]:
        """Probes that are still on their way."""
        now_ns = self._time.monotonic_ns()
        with self._lock:
            return tuple(
                Outstanding(target.name, flight.sent_ns, now_ns - flight.sent_ns)
                for target in self._targets
                for flight in target.flights
                if flight.asked
            )

    def ask_also(self, name: str, address: str | None) -> None:
        """One more target under a name of its own; None: no more. Another address begins it anew."""
        with self._lock:
            known = next((target for target in self._targets if target.name == name), None)
            if known is not None and known.ask == address:
                return
            others = [target for target in self._targets if target is not known]
            if address is not None:
                first_ns = others[0].due_ns if others else self._time.monotonic_ns()
                due_ns = first_ns + self._share_ns // 2  # between two of them
                others.append(_Target(name, address, TargetStats(self._window_ns), due_ns, 1000 * len(others)))
            self._targets = others

    def _run(self) -> None:
        while not self._stop.is_set():
            targets = self._targets
            now_ns = self._time.monotonic_ns()
            for target in targets:
                if now_ns >= target.due_ns:
                    late = (now_ns - target.due_ns) // self._interval_ns  # missed while the machine slept: not made up
                    target.due_ns += (late + 1) * self._interval_ns
                    self._launch(target, now_ns)
            due_ns = min((target.due_ns for target in targets), default=now_ns + self._interval_ns)
            wait_ns = min(due_ns - self._time.monotonic_ns(), MAX_PAUSE_NS)
            self._stop.wait(max(wait_ns, 1_000_000) / 1e9)

    def _launch(self, target: _Target, now_ns: int) -> None:
        flight = _Flight(self._time.wall_ns(), now_ns)
        with self._lock:
            self._give_up(target, now_ns)
            if len(target.flights) >= self._in_flight:
                reason: Reason = "no such name" if target.resolving and not target.addresses else "timeout"
                self._record(target, flight, EchoReply(None, reason))
                return
            target.flights.append(flight)
            target.seq += 1
            seq = target.seq
        threading.Thread(
            target=self._probe, args=(target, flight, seq), name=f"probe {target.name}", daemon=True
        ).start()

    def _give_up(self, target: _Target, now_ns: int) -> None:
        for flight in list(target.flights):
            stuck = now_ns - flight.sent_ns > 10 * self._timeout_ns + 10 * 10**9
            if stuck and target.abandoned < MAX_ABANDONED:
                flight.given_up = True
                target.abandoned += 1
                target.flights.remove(flight)
                self._record(target, flight, EchoReply(None, "timeout"))

    def _probe(self, target: _Target, flight: _Flight, seq: int) -> None:
        try:
            outcome = self._send(target, flight, seq)
        except Exception:
            outcome = EchoReply(None, "error")
        with self._lock:
            if flight.given_up:
                target.abandoned -= 1
                return
            target.flights.remove(flight)
            if outcome.rtt_ns is None and not is_address(target.ask):
                target.stale = True
            self._record(target, flight, outcome)

    def _send(self, target: _Target, flight: _Flight, seq: int) -> EchoReply:
        with self._lock:
            addresses = target.addresses
            wanted = (not addresses or target.stale) and not target.resolving
            target.resolving = target.resolving or wanted
        if wanted:
            found = self._look_up(target.ask)
            with self._lock:
                target.resolving = False
                if found:
                    # After a failure the next address has its turn, when there are several.
                    old = addresses[0] if target.stale and addresses else None
                    at = (found.index(old) + 1) % len(found) if old in found else 0
                    target.addresses = found[at:] + found[:at]
                    target.stale = False
                addresses = target.addresses
        if not addresses:
            return EchoReply(None, "no such name")
        flight.asked = True
        return self._ask(addresses[0], self._timeout_ns, seq)

    def _record(self, target: _Target, flight: _Flight, outcome: EchoReply) -> None:
        if outcome.sent:
            quality = target.stats.record(self._time.monotonic_ns(), outcome.rtt_ns)
        else:
            quality = target.stats.quality()
        self._results.append(
            ProbeResult(
                time_ns=flight.sent_wall_ns,
                target=target.name,
                rtt_ns=outcome.rtt_ns,
                reason=outcome.reason,
                jitter_ms=quality.jitter_ms,
                loss_ratio=quality.loss_ratio,
                answer_bytes=_answer_bytes(target, outcome),
                kind=outcome.kind,
                sent=outcome.sent,
                sent_ns=flight.sent_ns,
            )
        )


def _answer_bytes(target: _Target, outcome: EchoReply) -> int:
    return echo_bytes(target.addresses[0]) if outcome.rtt_ns is not None and outcome.kind == "icmp" else 0
