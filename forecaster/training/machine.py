"""What the computer is doing now, as far as the system tells: power, processor, and who uses the network for what."""

from dataclasses import dataclass
from typing import Final

import psutil

from qos.store import Reader

LOOKED_AT_NS: Final = 120 * 10**9
CALL_LEVEL: Final = 1
"""Applications of this priority level or a more urgent one are calls and games (0 critical, 1 gaming)."""
CALL_BYTES_PER_S: Final = 8_000
"""A game or a call moves at least this much; a launcher that waits does not."""


@dataclass(frozen=True)
class MachineState:
    """One look. ``on_battery`` None: the system does not say."""

    on_battery: bool | None
    cpu_ratio: float
    """0-1 of all processors, over about a second."""
    urgent_apps: tuple[str, ...]
    """Games and calls that are moving data."""


def machine_state(reader: Reader, now_ns: int) -> MachineState:
    """Takes a second. Raises StoreUnavailable."""
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except (OSError, RuntimeError):
        battery = None
    on_battery = None if battery is None or battery.power_plugged is None else not battery.power_plugged
    return MachineState(on_battery, psutil.cpu_percent(interval=1.0) / 100, urgent_apps(reader, now_ns))


def urgent_apps(reader: Reader, now_ns: int) -> tuple[str, ...]:
    """Applications of the urgent levels with real traffic over the last two minutes."""
    found = reader.read(
        "app_traffic", ["rx_bytes", "tx_bytes", "priority"], start_ns=now_ns - LOOKED_AT_NS, stop_ns=now_ns, by=["app"]
    )
    moved: dict[str, int] = {}
    rows = zip(found["app"], found["rx_bytes"], found["tx_bytes"], found["priority"], strict=True)
    for app, rx, tx, priority in rows:
        if priority is not None and priority <= CALL_LEVEL:
            moved[app] = moved.get(app, 0) + (rx or 0) + (tx or 0)
    least = CALL_BYTES_PER_S * LOOKED_AT_NS // 10**9
    return tuple(sorted(app for app, moved_bytes in moved.items() if moved_bytes >= least))
