"""What the computer does now: power, processor, and applications of the urgent levels that move data."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from forecaster.training.machine import CALL_BYTES_PER_S, LOOKED_AT_NS, machine_state, urgent_apps
from qos.contract.points import AppTraffic
from tests.fakes import MemoryStore

S = 10**9
NOW_NS = 1_700_006_400 * S


def traffic(app: str, priority: int, bytes_per_s: int, ago_s: int = 60, for_s: int = 120) -> list[AppTraffic]:
    first = NOW_NS - ago_s * S - for_s * S // 2
    return [
        AppTraffic(
            time_ns=first + k * S, host="box", app=app, rx_bytes=bytes_per_s // 2, tx_bytes=bytes_per_s // 2,
            rx_packets=1, tx_packets=1, flows=1, processes=1, priority=priority,
        )
        for k in range(for_s)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "found"),
    [
        (traffic("zoom", 0, 2 * CALL_BYTES_PER_S), ("zoom",)),
        (traffic("valorant", 1, 2 * CALL_BYTES_PER_S), ("valorant",)),
        (traffic("browser", 2, 10**6), ()),
        (traffic("launcher", 1, CALL_BYTES_PER_S // 4), ()),
        (traffic("zoom", 0, 2 * CALL_BYTES_PER_S, ago_s=400), ()),
        (traffic("zoom", 0, 2 * CALL_BYTES_PER_S) + traffic("game", 1, 2 * CALL_BYTES_PER_S), ("game", "zoom")),
        ([], ()),
    ],
)
def test_a_game_or_a_call_is_an_urgent_application_that_moves_data(
    points: list[AppTraffic], found: tuple[str, ...]
) -> None:
    store = MemoryStore()
    store.write(points)
    assert LOOKED_AT_NS == 120 * S
    assert urgent_apps(store, NOW_NS) == found


@pytest.mark.parametrize(
    ("battery", "found"),
    [
        (None, None),
        (SimpleNamespace(power_plugged=True), False),
        (SimpleNamespace(power_plugged=False), True),
        (SimpleNamespace(power_plugged=None), None),
        (OSError("no such file"), None),
    ],
)
def test_battery_is_known_where_the_system_says(
    battery: Any, found: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sensors() -> Any:
        if isinstance(battery, Exception):
            raise battery
        return battery

    # The system's answer, not a function of ours: no machine here has a battery.
    monkeypatch.setattr(psutil, "sensors_battery", sensors, raising=False)
    state = machine_state(MemoryStore(), NOW_NS)
    assert state.on_battery is found
    assert 0 <= state.cpu_ratio <= 1
    assert state.urgent_apps == ()


def test_a_system_without_batteries_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert machine_state(MemoryStore(), NOW_NS).on_battery is None
