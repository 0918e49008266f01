"""Diversion: whose packets pass through us. Which ports are in which filter, and when a filter is worth changing.

A filter names the local ports of limited applications' flows, one filter per protocol. It is swapped at most every
250 ms; additions as soon as that allows, removals lazily (a stale port's packets just pass through). An application
that opens connection after connection, or has more ports than fit, makes its protocol *wide*: all of the protocol's
packets pass through us and everybody else's are sent on at once, as long as the packet rate allows it.

A filter takes tens of milliseconds to open, and on a fast path a new connection moves megabytes in that time. So TCP is
also wide while nobody else uses it much (``QUIET_PPS``): a new connection of a limited application is then caught from
its first packet. As soon as others become busy the filter shrinks to ports (docs/decisions/0023).

Pure: ports and times in, targets out. It opens nothing and knows no filter language. A port that belongs to a limited
and to another application is nobody's: shared ports are never throttled: a browser's helpers share 5353.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Transport = Literal["tcp", "udp"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("tcp", "udp")

_S: Final = 10**9
SWAP_NS: Final = 250_000_000
"""Least time between two swaps of one protocol's filter."""
CHURN_PORTS: Final = 3
CHURN_NS: Final = 2 * _S
"""So many new ports of one application in so short a time, after its first, make a protocol wide."""
WIDE_NS: Final = 30 * _S
"""How long it stays wide after the last churn; doubles each time it has to come back, up to ``WIDE_MAX_NS``."""
WIDE_MAX_NS: Final = 600 * _S
LINGER_NS: Final = 3 * _S
"""How long a filter without any flow stays open, in case one comes."""
STALE_PORTS: Final = 16
QUIET_PPS: Final = 500
"""Others' packets a second through a wide filter that nobody's churn asked for."""
BUSY_NS: Final = 10 * _S
"""How long TCP stays narrow after others were busy; doubles up to ``BUSY_MAX_NS`` while they are busy each time."""
BUSY_MAX_NS: Final = 160 * _S


@dataclass(frozen=True, slots=True)
class FilterTarget:
    """What one protocol's filter should let through: these ports, or everything (``wide``)."""

    ports: frozenset[int] = frozenset()
    wide: bool = False


@dataclass(slots=True)
class _FilterState:
    target: FilterTarget | None = None
    swapped_ns: int = -SWAP_NS
    wide_until_ns: int = 0
    wide_for_ns: int = WIDE_NS
    empty_since_ns: int | None = None
    ready_from_ns: int = 0
    busy_for_ns: int = BUSY_NS
    seen: dict[str, frozenset[int]] = field(default_factory=dict)
    news: dict[str, list[int]] = field(default_factory=dict)


class Diversion:
    """The filters' targets over time."""

    def __init__(self, max_ports: int) -> None:
        """``max_ports`` is what one filter can name exactly (240 on Windows, 32 on Linux)."""
        self._max_ports = max_ports
        self._states: dict[Transport, _FilterState] = {name: _FilterState() for name in TRANSPORTS}
        self._narrow_until_ns = 0

    def target(self, protocol: Transport) -> FilterTarget | None:
        """What the protocol's filter lets through now; None: no handle."""
        return self._states[protocol].target

    def forbid_wide(self, now_ns: int, hold_off_ns: int) -> None:
        """Too many packets: no wide filter for a while. Short connections then escape their first moments."""
        self._narrow_until_ns = now_ns + hold_off_ns
        for state in self._states.values():
            state.wide_until_ns = 0
            state.swapped_ns = -SWAP_NS

    def update(
        self,
        now_ns: int,
        limited: frozenset[str],
        owners: Mapping[tuple[Transport, int], frozenset[str]],
        foreign_pps: int = 0,
        *,
        ready: bool = False,
    ) -> dict[Transport, FilterTarget | None]:
        """Which filters to change now, and to what.

        ``owners`` are the applications behind each local port; ``foreign_pps`` what passed of others lately;
        ``ready``: TCP may be wide with nobody limited, too.
        """
        changes: dict[Transport, FilterTarget | None] = {}
        self._watch_others(now_ns, foreign_pps)
        for protocol, state in self._states.items():
            ports: dict[str, set[int]] = {}
            for (transport, port), apps in owners.items():
                if transport == protocol and apps and apps <= limited:
                    for app in apps:
                        ports.setdefault(app, set()).add(port)
            want = self._want(now_ns, protocol, state, limited, ports, ready=ready)
            if want != state.target and self._due(now_ns, state, want):
                state.target, state.swapped_ns = want, now_ns
                changes[protocol] = want
        return changes

    def _watch_others(self, now_ns: int, foreign_pps: int) -> None:
        state = self._states["tcp"]
        if state.target is None or not state.target.wide:
            return
        if foreign_pps > QUIET_PPS:
            if now_ns - state.swapped_ns > 60 * _S:
                state.busy_for_ns = BUSY_NS
            state.ready_from_ns = now_ns + state.busy_for_ns
            state.busy_for_ns = min(BUSY_MAX_NS, 2 * state.busy_for_ns)
            if now_ns >= state.wide_until_ns:
                state.swapped_ns = -SWAP_NS  # nobody else is to notice: at once

    def _want(
        self,
        now_ns: int,
        protocol: Transport,
        state: _FilterState,
        limited: frozenset[str],
        ports: Mapping[str, set[int]],
        *,
        ready: bool = False,
    ) -> FilterTarget | None:
        for app in list(state.seen):
            if app not in limited:
                del state.seen[app]
                state.news.pop(app, None)
        if not limited and not ready:
            state.wide_until_ns, state.empty_since_ns = 0, None
            return None
        for app, now in ports.items():
            self._churn(now_ns, state, app, frozenset(now))
        everything = frozenset(port for found in ports.values() for port in found)
        may_widen = now_ns >= self._narrow_until_ns
        if may_widen and (now_ns < state.wide_until_ns or len(everything) > self._max_ports):
            state.empty_since_ns = None
            return FilterTarget(wide=True)
        if may_widen and protocol == "tcp" and now_ns >= state.ready_from_ns:
            return FilterTarget(wide=True)
        if everything:
            state.empty_since_ns = None
            return FilterTarget(ports=everything)
        if state.target is None:
            return None
        if state.empty_since_ns is None:
            state.empty_since_ns = now_ns
        return state.target if now_ns - state.empty_since_ns < LINGER_NS else None

    def _churn(self, now_ns: int, state: _FilterState, app: str, now: frozenset[int]) -> None:
        before = state.seen.get(app)
        state.seen[app] = now
        if before is None:
            return  # the flows that it had when the limit came are no churn
        fresh = len(now - before)
        recent = [then for then in state.news.get(app, ()) if now_ns - then < CHURN_NS] + [now_ns] * fresh
        state.news[app] = recent
        if fresh and len(recent) >= CHURN_PORTS:
            if 0 < state.wide_until_ns <= now_ns:
                state.wide_for_ns = min(WIDE_MAX_NS, 2 * state.wide_for_ns)
            state.wide_until_ns = now_ns + state.wide_for_ns

    def _due(self, now_ns: int, state: _FilterState, want: FilterTarget | None) -> bool:
        if now_ns - state.swapped_ns < SWAP_NS:
            return False
        held = state.target
        if want is None or held is None or want.wide or held.wide:
            return True
        if want.ports - held.ports:
            return True
        return len(held.ports) - len(want.ports) >= STALE_PORTS
