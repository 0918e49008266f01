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

from collector.probes.statistics import TargetStats
from qos.contract.documents.live import LiveProbe
from qos.contract.points import Probe
from qos.system import clock
from qos.system.clock import Clock
from qos.system.echo import EchoReply, Reason, echo, echo_bytes, is_address, resolve

MIN_INTERVAL_NS: Final = 100 * 10**6
"""No target is ever asked more often: a probe must not be a load."""
MAX_IN_FLIGHT: Final = 8
MAX_ABANDONED: Final = 4
_BACKLOG: Final = 10_000


class Ask(Protocol):
    """Sends one echo and waits (``qos.system.echo.echo``)."""

    def __call__(self, address: str, timeout_ns: int, seq: int) -> EchoReply: ...


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe: when it was sent (UTC), what came of it and the target's quality since."""

    time_ns: int
    target: str
    rtt_ns: int | None
    reason: Reason
    jitter_ms: float | None
    loss_ratio: float
    answer_bytes: int = 0
    """What the answer took at the IP layer; 0 when none came, or over loopback."""

    def point(self, host: str) -> Probe:
        """The row of this probe."""
        return Probe(
            time_ns=self.time_ns,
            host=host,
            target=self.target,
            ok=int(self.rtt_ns is not None),
            rtt_ms=None if self.rtt_ns is None else self.rtt_ns / 1e6,
            jitter_ms=self.jitter_ms,
            loss_ratio=self.loss_ratio,
            sent=1,
            received=int(self.rtt_ns is not None),
            reason=self.reason,
        )

    def live(self) -> LiveProbe:
        """What the ``live`` document says of the target."""
        return LiveProbe(
            target=self.target,
            ok=self.rtt_ns is not None,
            rtt_ms=None if self.rtt_ns is None else self.rtt_ns / 1e6,
            jitter_ms=self.jitter_ms,
            loss_ratio=self.loss_ratio,
            reason=self.reason,
        )


@dataclass(slots=True)
class _Flight:
    sent_wall_ns: int
    sent_ns: int
    given_up: bool = False


@dataclass(slots=True)
class _Target:
    name: str
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
        ask: Ask = echo,
        look_up: Callable[[str], tuple[str, ...]] = resolve,
        time: Clock = clock.SYSTEM,
    ) -> None:
        self._interval_ns = max(interval_ns, MIN_INTERVAL_NS)
        self._timeout_ns = timeout_ns
        self._in_flight = min(MAX_IN_FLIGHT, -(-timeout_ns // self._interval_ns) + 1)
        self._ask, self._look_up, self._time = ask, look_up, time
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._results: deque[ProbeResult] = deque(maxlen=_BACKLOG)
        self._thread: threading.Thread | None = None
        now_ns = time.monotonic_ns()
        self._targets = [
            # Spread over the interval, so that the probes do not delay each other; other sequence numbers each.
            _Target(name, TargetStats(window_ns), now_ns + i * 5_000_000, 1000 * i)
            for i, name in enumerate(targets)
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

    def _run(self) -> None:
        while not self._stop.is_set() and self._targets:
            now_ns = self._time.monotonic_ns()
            for target in self._targets:
                if now_ns >= target.due_ns:
                    late = (now_ns - target.due_ns) // self._interval_ns  # missed while the machine slept: not made up
                    target.due_ns += (late + 1) * self._interval_ns
                    self._launch(target, now_ns)
            wait_ns = min(target.due_ns for target in self._targets) - self._time.monotonic_ns()
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
            outcome = self._send(target, seq)
        except Exception:
            outcome = EchoReply(None, "error")
        with self._lock:
            if flight.given_up:
                target.abandoned -= 1
                return
            target.flights.remove(flight)
            if outcome.rtt_ns is None and not is_address(target.name):
                target.stale = True
            self._record(target, flight, outcome)

    def _send(self, target: _Target, seq: int) -> EchoReply:
        with self._lock:
            addresses = target.addresses
            wanted = (not addresses or target.stale) and not target.resolving
            target.resolving = target.resolving or wanted
        if wanted:
            found = self._look_up(target.name)
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
        return self._ask(addresses[0], self._timeout_ns, seq)

    def _record(self, target: _Target, flight: _Flight, outcome: EchoReply) -> None:
        quality = target.stats.record(self._time.monotonic_ns(), outcome.rtt_ns)
        self._results.append(
            ProbeResult(
                time_ns=flight.sent_wall_ns,
                target=target.name,
                rtt_ns=outcome.rtt_ns,
                reason=outcome.reason,
                jitter_ms=quality.jitter_ms,
                loss_ratio=quality.loss_ratio,
                answer_bytes=echo_bytes(target.addresses[0]) if outcome.rtt_ns is not None else 0,
            )
        )
