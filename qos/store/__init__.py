"""Where points are kept: one protocol, SQLite (``sqlite.py``) and InfluxDB (``influx.py``) behind it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from qos.contract.points import Point

Columns = dict[str, list[Any]]
"""Equal-length columns: ``time_ns`` (int, UTC), then the tags asked for (str), then the fields (int, float, str, None).

Rows are ordered by time, then by tags. No match gives the same keys with empty lists.
"""

Aggregate = Literal["auto", "sum", "mean", "min", "max", "last", "count"]
"""``auto`` is each field's own rollup (``qos.contract.points.FieldSpec.rollup``)."""


class Reader(Protocol):
    """Reads points back."""

    def read(
        self,
        measurement: str,
        fields: Sequence[str] | None = None,
        *,
        where: Mapping[str, str | Sequence[str]] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        every_ns: int | None = None,
        aggregate: Aggregate | None = None,
        by: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Columns:
        """Rows of one measurement with ``start_ns <= time < stop_ns``.

        ``fields=None`` is all. ``where`` matches tags: text is equality, a sequence is "one of". Without ``every_ns``
        and ``aggregate`` the raw points come back. With ``every_ns`` one row per window (stamped with its start,
        windows aligned to the epoch, empty ones left out) and tag set; with ``aggregate`` alone one row per tag set
        over the whole range (stamped ``start_ns`` or 0). ``by`` names the tags to keep apart (None: all, empty:
        none, everything merged). ``limit`` keeps the newest rows. Raises KeyError for an unknown measurement, field
        or tag, with the names there are, and StoreUnavailable.
        """

    def close(self) -> None:
        """Release what is open. Reading afterwards raises."""


class Store(Reader, Protocol):
    """Keeps points."""

    def write(self, points: Sequence[Point]) -> None:
        """Keep the points, all or none. Raises StoreUnavailable (keep them and try again) or StoreRejected."""
