"""Series with known properties, frames of them, and points as a collector would have written them."""

import numpy as np

from forecaster.data.frames import Floats, Frame
from qos.contract.points import AppTraffic, HostTraffic, Point, Probe

HOUR_NS = 3600 * 10**9
START_NS = 1_700_006_400 * 10**9
"""A multiple of every grid that is used here (2023-11-15T00:00:00Z)."""


def frame_of(values: Floats, step_ns: int = HOUR_NS, start_ns: int = START_NS) -> Frame:
    """A target alone, or a table whose first column is the target."""
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    return Frame(start_ns, step_ns, tuple(f"c{k}" for k in range(table.shape[1])), table)


def seasonal(rows: int, seed: int = 0, period: int = 24, noise: float = 0.1) -> Floats:
    """A daily pattern with noise that remembers, always positive; louder when the level is higher."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(rows) / period
    memory = np.zeros(rows)
    for k in range(1, rows):
        memory[k] = 0.7 * memory[k - 1] + rng.normal() * noise
    return np.asarray(100 * (1.5 + np.sin(phase) + 0.3 * np.sin(2 * phase)) * np.exp(memory))


def traffic(
    values: Floats,
    step_ns: int,
    end_ns: int,
    host: str = "box",
    *,
    apps: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    running: bool = True,
) -> list[Point]:
    """One row per step; ``values`` are bits per second down, NaN: the agent did not run. Ends at ``end_ns``.

    ``running``: the agent goes on, so the first tick of the step that begins at ``end_ns`` is stored too.
    """
    seconds = step_ns / 1e9
    points: list[Point] = []
    first = end_ns // step_ns - len(values)
    for k, value in enumerate(values):
        if np.isnan(value):
            continue
        time_ns = (first + k) * step_ns
        down = int(value * seconds / 8)
        points.append(
            HostTraffic(
                time_ns=time_ns,
                host=host,
                iface="eth0",
                rx_bytes=down,
                tx_bytes=down // 10,
                rx_drops=0,
                tx_drops=0,
                rx_errors=0,
                tx_errors=0,
                unattributed_rx_bytes=0,
                unattributed_tx_bytes=0,
            )
        )
        for place, app in enumerate(apps):
            if (k + place) % 3:
                points.append(
                    AppTraffic(
                        time_ns=time_ns,
                        host=host,
                        app=app,
                        rx_bytes=down // (place + 2),
                        tx_bytes=10,
                        rx_packets=1,
                        tx_packets=1,
                        flows=1,
                        processes=1,
                        priority=3,
                    )
                )
        for place, target in enumerate(targets):
            points.append(
                Probe(
                    time_ns=time_ns,
                    host=host,
                    target=target,
                    ok=1,
                    rtt_ms=10.0 + place + float(value) / 50,
                    loss_ratio=0.0,
                    sent=1,
                    received=1,
                )
            )
    if running:
        points.append(
            HostTraffic(
                time_ns=end_ns // step_ns * step_ns,
                host=host,
                iface="eth0",
                rx_bytes=1,
                tx_bytes=1,
                rx_drops=0,
                tx_drops=0,
                rx_errors=0,
                tx_errors=0,
                unattributed_rx_bytes=0,
                unattributed_tx_bytes=0,
            )
        )
    return points
