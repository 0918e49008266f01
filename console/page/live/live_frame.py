"""The present as one JSON object, sent once a second: what every open page and every script that follows sees.

Rates are bits per second, sizes bytes since monitoring started, times UTC milliseconds. What is absent is left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from console.page.history import incident_object, newest_incident, usual_rtt
from console.page.service import PageService
from console.steering.overrides import read_overrides
from console.views.enforcement import AppPolicy, enforcement_beside
from console.views.lag.incidents import StoredIncident
from qos.contract.documents.lag import RunningLag
from qos.contract.documents.live import Live, LiveRow, LiveTraffic
from qos.contract.documents.override import Override

MOST_APPS: Final = 200
_USUAL_EVERY_NS: Final = 60 * 10**9
_INCIDENT_EVERY_NS: Final = 5 * 10**9


class FrameReader:
    """Makes frames; remembers what need not be read every second. Used by one thread at a time."""

    def __init__(self, service: PageService) -> None:
        self._service = service
        self._usual: tuple[int, Mapping[str, float]] = (-_USUAL_EVERY_NS, {})
        self._incident: tuple[int, StoredIncident | None] = (-_INCIDENT_EVERY_NS, None)
        self._live: Live | None = None

    def newest(self) -> Live | None:
        """The collector's last document, parsed once. Raises StoreUnavailable."""
        document = self._service.store.get_state(Live.KEY)
        if Live.written_ns(document) != (self._live.time_ns if self._live is not None else None):
            self._live = Live.parse(document)
        return self._live

    def read(self, now_ns: int, live: Live | None) -> dict[str, Any]:
        """The frame of ``now_ns`` (UTC); ``live`` is the ``newest``. Raises StoreUnavailable."""
        service = self._service
        store, config = service.store, service.config
        fresh = live is not None and live.fresh(now_ns)
        enforcement = enforcement_beside(store, config, now_ns, live)
        by_hand = read_overrides(store, now_ns)
        if now_ns - self._usual[0] >= _USUAL_EVERY_NS:
            self._usual = (now_ns, usual_rtt(store, now_ns))
        if now_ns - self._incident[0] >= _INCIDENT_EVERY_NS:
            self._incident = (now_ns, newest_incident(store, now_ns))
        rows = {row.app: row for row in live.apps} if live is not None and fresh else {}
        apps = [_app(policy, rows.get(policy.app), by_hand.get(policy.app)) for policy in enforcement.apps[:MOST_APPS]]
        frame: dict[str, Any] = {
            "id": frame_id(live),
            "time_ms": now_ns // 10**6,
            "live": fresh,
            "mode": enforcement.mode,
            "enforcer": {"running": enforcement.running, "state": enforcement.state, "reason": enforcement.reason},
            "paused": enforcement.paused,
            "apps": apps,
            "writable": service.writable,
        }
        if enforcement.paused_until_ns is not None:
            frame["paused_until_ms"] = enforcement.paused_until_ns // 10**6
        if (note := enforcement.note()) is not None:
            frame["note"] = note
        if config.link.down is not None or config.link.up is not None:
            frame["link"] = {"down_bps": config.link.down, "up_bps": config.link.up}
        if live is not None and fresh:
            frame |= {
                "interval_ms": live.interval_ns // 10**6,
                "coverage": live.coverage,
                "backend": live.backend,
                "lost": live.lost,
                "host": _traffic(live.host_traffic),
                "unattributed": _traffic(live.unattributed),
                "probes": self._probes(live),
            }
        incident = self._incident[1]
        if live is not None and fresh and live.lag is not None:
            frame["lag"] = running_lag(live.lag, now_ns)
        elif incident is not None:
            frame["lag"] = incident_object(incident)
        return frame

    def _probes(self, live: Live) -> list[dict[str, Any]]:
        usual = self._usual[1]
        return [
            _present(
                target=probe.target,
                ok=probe.ok,
                rtt_ms=None if probe.rtt_ms is None else round(probe.rtt_ms, 2),
                usual_ms=usual.get(probe.target),
                loss_ratio=None if probe.loss_ratio is None else round(probe.loss_ratio, 4),
                reason=probe.reason or None,
            )
            for probe in live.probes
        ]


def frame_id(live: Live | None) -> int:
    """What names a frame: UTC milliseconds of the tick that it shows."""
    return live.time_ns // 10**6 if live is not None else 0


def running_lag(lag: RunningLag, now_ns: int) -> dict[str, Any]:
    """The incident that goes on now, in the shape of the stored ones; its row may come later."""
    row = StoredIncident(
        start_ns=lag.onset_ns,
        duration_s=max(0, now_ns - lag.onset_ns) // 10**9,
        extra_ms=lag.extra_ms,
        loss_ratio=lag.loss_ratio,
        cause=lag.cause,
        app=lag.app or None,
        direction=lag.direction or None,
        share_ratio=None,
        confidence=lag.confidence,
        running=True,
        suffered=None,
        evidence=lag.evidence,
    )
    return incident_object(row) | _present(advice=lag.advice or None)


def _app(policy: AppPolicy, row: LiveRow | None, by_hand: Override | None) -> dict[str, Any]:
    found = _present(
        app=policy.app,
        category=policy.category,
        priority=policy.priority,
        source=policy.source or None,
        rx_bps=policy.rx_bps or None,
        tx_bps=policy.tx_bps or None,
        down_bps=policy.down_bps,
        up_bps=policy.up_bps,
        queue_ms=round(policy.queue_ms, 1) if policy.queue_ms else None,
    )
    if row is not None:
        found |= {"rx_bytes": row.rx_bytes, "tx_bytes": row.tx_bytes}
        found |= _present(background=row.background or None, processes=row.processes if row.processes > 1 else None)
    if by_hand is not None:
        found["hand"] = _present(
            priority=by_hand.priority,
            down_bps=by_hand.down_bps,
            up_bps=by_hand.up_bps,
            until_ms=by_hand.until_ns // 10**6 if by_hand.until_ns is not None else None,
        )
    return found


def _traffic(traffic: LiveTraffic) -> dict[str, Any]:
    return traffic.dump()


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
