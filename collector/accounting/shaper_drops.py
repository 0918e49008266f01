"""Inbound packets that the enforcer dropped: the interface counted them, and no socket ever got them. Pure.

They belong to the application that was limited, not to *unattributed*. The enforcer's totals per application are read
each tick; what they grew by since the last tick is that application's, unless the capture backend saw the packets
before the shaper did, and so has counted them already.
"""

from collections.abc import Mapping
from typing import Final

SEES_BEFORE_SHAPER: Final = frozenset({"divert"})
"""Backends that count a packet whether or not the shaper drops it afterwards."""


class ShaperDrops:
    """Remembers the last totals. A total that went back began anew (the limit was lifted and set again)."""

    def __init__(self) -> None:
        self._totals: dict[str, int] | None = None

    def since_last(self, totals: Mapping[str, int] | None, backend: str) -> dict[str, int]:
        """Bytes to add to what each application received.

        ``totals``: inbound bytes dropped so far, by application; None while no enforcer says anything.
        """
        before, self._totals = self._totals, None if totals is None else dict(totals)
        if totals is None or before is None or backend in SEES_BEFORE_SHAPER:
            return {}
        grown = {app: now - (old if now >= (old := before.get(app, 0)) else 0) for app, now in totals.items()}
        return {app: size for app, size in grown.items() if size}
