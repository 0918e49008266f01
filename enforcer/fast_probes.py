"""Fast probes for the control loop, only while a shapeable application is busy. One thread per target, none otherwise.

Echoes go out ten times a second and target; the answers wait here until the loop takes them.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from enforcer.allocation.congestion import Echo
from qos.system import echo as icmp
from qos.system.clock import NS_PER_MS, Clock

PERIOD_S: Final = 0.1
TIMEOUT_NS: Final = 800 * NS_PER_MS
MAX_KEPT: Final = 512
RESOLVE_S: Final = 5.0
"""How long after a name could not be resolved it is asked again."""


class Probes:
    """Starts and stops with ``run``; ``take`` gives what was answered since the last time."""

    def __init__(
        self,
        clock: Clock,
        *,
        resolve: Callable[[str], Sequence[str]] = icmp.resolve,
        echo: Callable[[str, int, int], icmp.EchoReply] = icmp.echo,
        resolve_s: float = RESOLVE_S,
    ) -> None:
        self._clock, self._resolve, self._echo, self._resolve_s = clock, resolve, echo, resolve_s
        self._stop: threading.Event | None = None
        self._threads: list[threading.Thread] = []
        self._targets: tuple[str, ...] = ()
        self._echoes: deque[Echo] = deque(maxlen=MAX_KEPT)

    def run(self, targets: tuple[str, ...]) -> None:
        """Probe these targets from now on; none: stop. Does nothing when they are the same as before."""
        if targets == self._targets:
            return
        self.close()
        self._targets = targets
        stop = self._stop = threading.Event()
        for target in targets:
            thread = threading.Thread(target=self._probe, args=(target, stop), name="enforcer-probe", daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self) -> list[Echo]:
        """The echoes since the last call."""
        found = []
        while self._echoes:
            found.append(self._echoes.popleft())
        return found

    def close(self) -> None:
        """Stop probing. Threads end within a second by themselves."""
        if self._stop is not None:
            self._stop.set()
        self._threads.clear()
        self._targets = ()

    def _probe(self, target: str, stop: threading.Event) -> None:
        addresses = self._resolve(target)
        number = 0
        while not stop.wait(PERIOD_S if addresses else self._resolve_s):
            if not addresses:
                addresses = self._resolve(target)
                continue
            number += 1
            answer = self._echo(addresses[0], TIMEOUT_NS, number)
            if not stop.is_set():
                self._echoes.append(Echo(target, self._clock.monotonic_ns(), answer.rtt_ns))
