"""What the line carries, as far as is known: set in the config, learned by the enforcer, or the most ever seen."""

from contextlib import suppress
from typing import Final, cast

from collector.lag.samples import DIRECTIONS, KnownCapacity
from qos.contract.config import Link
from qos.contract.direction import Direction
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.store import Reader
from qos.system.clock import NS_PER_S

LEARNED_NS: Final = 600 * NS_PER_S
"""An older estimate is not taken: the enforcer writes one a minute."""
AGAIN_NS: Final = 15 * NS_PER_S
SEEN_NS: Final = 24 * 3600 * NS_PER_S
SURE: Final = 0.5


class LinkCapacity:
    """Reads the store now and then. ``now_ns`` is monotonic, ``wall_ns`` UTC."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._learned: dict[Direction, KnownCapacity] = {}
        self._read_ns: int | None = None

    def known(self, now_ns: int, wall_ns: int, link: Link) -> dict[Direction, KnownCapacity]:
        """What is set, else what was learned; nothing for a direction that nobody knows."""
        if self._read_ns is None or now_ns - self._read_ns >= AGAIN_NS:
            self._read_ns = now_ns
            with suppress(StoreUnavailable, StoreRejected):  # the last known ones hold
                self._learned = self._read(wall_ns)
        found = dict(self._learned)
        for direction in DIRECTIONS:
            bps = link.down if direction == "down" else link.up
            if bps:
                found[direction] = KnownCapacity(bps, "set")
        return found

    def _read(self, wall_ns: int) -> dict[Direction, KnownCapacity]:
        columns = self._store.read(
            "link_estimate",
            ["capacity_bps", "confidence"],
            start_ns=wall_ns - LEARNED_NS,
            aggregate="last",
            by=("direction",),
        )
        rows = zip(columns["direction"], columns["capacity_bps"], columns["confidence"], strict=True)
        return {
            cast(Direction, direction): KnownCapacity(int(bps), "learned")
            for direction, bps, confidence in rows
            if direction in DIRECTIONS and bps and (confidence or 0) >= SURE
        }

    def most_seen(self, wall_ns: int, interval_ns: int) -> dict[Direction, int]:
        """The most that one interface moved in one tick of the last day, bits per second."""
        found: dict[Direction, int] = {}
        with suppress(StoreUnavailable, StoreRejected):
            columns = self._store.read(
                "host_traffic", ["rx_bytes", "tx_bytes"], start_ns=wall_ns - SEEN_NS, aggregate="max", by=("iface",)
            )
            for direction, field in zip(DIRECTIONS, ("rx_bytes", "tx_bytes"), strict=True):
                most = max((int(value) for value in columns[field] if value), default=0)
                if most:
                    found[direction] = most * 8 * NS_PER_S // interval_ns
        return found
