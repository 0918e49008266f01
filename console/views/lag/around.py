"""What was measured around one incident: round trips per target and bytes per application, a second at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from console.views.lag.incidents import StoredIncident
from qos.contract.direction import Direction
from qos.store import Reader

S: Final = 10**9
BEFORE_NS: Final = 45 * S
AFTER_NS: Final = 30 * S
MOST_APPS: Final = 5


@dataclass(frozen=True, slots=True)
class Around:
    """``rtts``: per target (time, ms or None for no answer). ``rates``: per application (time, bits per second)."""

    incident: StoredIncident
    start_ns: int
    stop_ns: int
    direction: Direction
    rtts: dict[str, list[tuple[int, float | None]]]
    rates: dict[str, list[tuple[int, float]]]


def read_around(store: Reader, incident: StoredIncident, interval_ns: int) -> Around:
    """Reads the minute around an incident; a long one is read whole."""
    start_ns, stop_ns = incident.start_ns - BEFORE_NS, incident.stop_ns + AFTER_NS
    probes = store.read("probe", ["rtt_ms", "sent"], start_ns=start_ns, stop_ns=stop_ns)
    rtts: dict[str, list[tuple[int, float | None]]] = {}
    for target, at, ms, sent in zip(probes["target"], probes["time_ns"], probes["rtt_ms"], probes["sent"], strict=True):
        if sent:
            rtts.setdefault(str(target), []).append((int(at), None if ms is None else float(ms)))
    moved = store.read("app_traffic", ["rx_bytes", "tx_bytes"], start_ns=start_ns, stop_ns=stop_ns)
    direction: Direction = "up" if incident.direction == "up" else "down"
    if incident.direction is None and sum(moved["tx_bytes"]) > sum(moved["rx_bytes"]):
        direction = "up"
    sizes: Sequence[int] = moved["tx_bytes"] if direction == "up" else moved["rx_bytes"]
    rates: dict[str, list[tuple[int, float]]] = {}
    for app, at, size in zip(moved["app"], moved["time_ns"], sizes, strict=True):
        rates.setdefault(str(app), []).append((int(at), 8 * size * S / interval_ns))
    most = sorted(rates, key=lambda app: (app != incident.app, -sum(bps for _, bps in rates[app])))
    return Around(incident, start_ns, stop_ns, direction, rtts, {app: sorted(rates[app]) for app in most[:MOST_APPS]})
