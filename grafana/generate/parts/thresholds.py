"""The numbers that panels colour by and alerts fire on: one place, so that they cannot disagree."""

from typing import Final

LATENCY_MS: Final = 150.0
"""One-way voice is fine up to 150 ms (ITU-T G.114); as a round trip it is already felt in games and calls."""
LATENCY_WARN_MS: Final = 80.0
JITTER_MS: Final = 30.0
LOSS_RATIO: Final = 0.05
LOSS_WARN_RATIO: Final = 0.01
DROP_RATIO: Final = 0.3
"""Bandwidth this far below the same hour yesterday counts as a drop."""
DROP_MIN_BPS: Final = 1_000_000
"""Yesterday's hour must have been this busy, or a drop says nothing."""
OVER_BUDGET_RATIO: Final = 1.1
SATURATION_RATIO: Final = 0.9
MASE: Final = 1.5
"""A published forecast half again as wrong as the seasonal naive one on its own history."""
UNATTRIBUTED_RATIO: Final = 0.2
UNATTRIBUTED_MIN_BYTES: Final = 10_000_000
QUEUE_MS: Final = 50.0
OUTBOX_ROWS: Final = 100_000
