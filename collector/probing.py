"""The probes of one collector and the lag that their answers show: what the loop asks for in each tick.

It owns the prober's threads, the newest result of each target, the gateway that is probed beside the configured
targets, and the incidents of lag. The loop gives it what else was measured in the tick.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from collector.accounting.tick import TrafficAccounts
from collector.accounting.tick_schedule import TickArrival
from collector.capture import Delta, Owner
from collector.lag_watch import GATEWAY, LagWatch, TickInput
from collector.link_capacity import LinkCapacity
from collector.probes.prober import Prober
from collector.probes.result import ProbeResult
from qos.contract.config import Config
from qos.contract.documents.lag import RunningLag
from qos.contract.documents.limits import Limits
from qos.contract.points import Point
from qos.store import Reader
from qos.system.processes import Processes

if sys.platform == "linux":
    from collector.sufferers_linux import Sufferers


class Probing:
    """See the module. ``make`` starts no thread: ``start`` does. Times are those of ``TickInput``."""

    def __init__(
        self, config: Config, store: Reader, processes: Processes, make: Callable[[Config], Prober] | None = None
    ) -> None:
        self._config, self._processes = config, processes
        self._make = make or make_prober
        self._prober = self._make(config)
        self._newest: dict[str, ProbeResult] = {}
        self._waiting: list[ProbeResult] = []
        self._lag = LagWatch(config.collector.targets)
        self._capacity = LinkCapacity(store)
        if sys.platform == "linux":
            self._sufferers = Sufferers()

    @property
    def lag(self) -> RunningLag | None:
        """The incident that goes on now, as the views show it."""
        return self._lag.running

    @property
    def newest(self) -> list[ProbeResult]:
        """The newest result of each target that is asked now, the gateway's last."""
        targets = (*self._config.collector.targets, GATEWAY)
        found = [self._newest[target] for target in targets if target in self._newest]
        return [result for result in found if self._lag.asked(result)]

    def start(self) -> None:
        """Probe from now on."""
        self._prober.start()

    def stop(self) -> None:
        """Probe no more."""
        self._prober.stop()

    def recall(self, wall_ns: int) -> None:
        """Read what passed before this collector ran: the most of it bounds an unknown capacity from below."""
        self._lag.remember(self._capacity.most_seen(wall_ns, self._config.interval))

    def collect(self) -> Sequence[ProbeResult]:
        """The results since the last call."""
        results = (*self._waiting, *self._prober.collect())
        self._waiting.clear()
        return results

    def glance(self, now_ns: int, wall_ns: int, host: str) -> bool:
        """Look at the answers between two ticks: whether ``lag`` tells of lag now that it did not tell of before."""
        news = self._prober.collect()
        self._waiting += news
        return self._lag.glance(now_ns, wall_ns, host, news, self._prober.outstanding())

    def points(
        self,
        arrival: TickArrival,
        now_ns: int,
        wall_ns: int,
        results: Sequence[ProbeResult],
        accounts: TrafficAccounts,
        *,
        limits: Limits | None,
    ) -> list[Point]:
        """The rows of ``results``, and the incidents of lag that are new or changed.

        ``limits``: what the enforcer said, when it said something lately.
        """
        host = accounts.host
        self._newest.update({result.target: result for result in results})
        points: list[Point] = [result.point(host) for result in results if self._lag.asked(result)]
        if arrival.gap:
            points += self._lag.interrupt(now_ns, wall_ns, host, "this computer slept or stood still")
        points += self._follow_gateway(now_ns, wall_ns, host)
        points += self._lag.tick(
            TickInput(
                now_ns=now_ns,
                wall_ns=wall_ns,
                elapsed_ns=arrival.elapsed_ns,
                interval_ns=self._config.interval,
                accounts=accounts,
                results=results,
                outstanding=self._prober.outstanding(),
                capacity=self._capacity.known(now_ns, wall_ns, self._config.link),
                limits=limits,
                sufferers=lambda extra_ms: self._who_suffers(extra_ms, now_ns),
            )
        )
        points += self._lag.blamed(wall_ns, host)
        return points

    def end(self, now_ns: int, wall_ns: int, host: str) -> Sequence[Point]:
        """The last rows of an incident that goes on while measuring stops."""
        return self._lag.interrupt(now_ns, wall_ns, host, "measuring was stopped")

    def configure(self, old: Config, new: Config) -> None:
        """Other settings from now on."""
        self._config = new
        was, now = old.collector, new.collector
        probing = ("targets", "probe_interval", "probe_timeout", "loss_window")
        if any(getattr(was, key) != getattr(now, key) for key in probing):
            self._prober.stop()
            self._prober = self._make(new)
            self._prober.start()
            self._newest = {target: result for target, result in self._newest.items() if target in now.targets}
            self._lag.targets(now.targets)

    def _follow_gateway(self, now_ns: int, wall_ns: int, host: str) -> Sequence[Point]:
        turn = self._lag.find_gateway(now_ns)
        if turn is None:
            return ()
        address, moved = turn
        self._prober.ask_also(GATEWAY, address)
        self._newest.pop(GATEWAY, None)
        if not moved:
            return ()
        return self._lag.interrupt(now_ns, wall_ns, host, "this computer changed to another network", network=True)

    def _who_suffers(self, extra_ms: float, now_ns: int) -> Sequence[str]:
        if sys.platform == "linux":
            with suppress(OSError):  # no socket list here: nobody is shown beside the cause
                return self._sufferers.look(lambda pid: self._processes.identify(pid, now_ns).app, extra_ms, now_ns)
        return ()


def own_probes(results: Sequence[ProbeResult], backend: str) -> tuple[Delta, ...]:
    """Our own echoes as traffic of ours: no backend can name the answers, because raw sockets receive copies.

    The kernel backend already counts what raw sockets send; the others count neither.
    """
    sizes = [result.answer_bytes for result in results if result.answer_bytes]
    if not sizes:
        return ()
    sent = backend != "kernel"
    return (
        Delta(
            Owner(os.getpid()), sum(sizes), sum(sizes) if sent else 0, len(sizes), len(sizes) if sent else 0, flows=0
        ),
    )


def make_prober(config: Config) -> Prober:
    """The probes that the settings ask for."""
    return Prober(
        config.collector.targets,
        interval_ns=config.collector.probe_interval,
        timeout_ns=config.collector.probe_timeout,
        window_ns=config.collector.loss_window,
    )
