"""Where points are kept: one protocol, SQLite (``sqlite``) and InfluxDB (``influx``) behind it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, Unpack

from qos.contract.points import Point

Columns = dict[str, list[Any]]
"""Equal-length columns: ``time_ns`` (int, UTC), then the tags asked for (str), then the fields (int, float, str, None).

Rows are ordered by time, then by tags. No match gives the same keys with empty lists.
"""

Aggregate = Literal["auto", "sum", "mean", "min", "max", "last", "count"]
"""``auto`` is each field's own rollup (``qos.contract.points.FieldSpec.rollup``)."""


class ReadOptions(TypedDict, total=False):
    """What a read may ask for beside the measurement and its fields; ``None`` is the same as leaving it out."""

    where: Mapping[str, str | Sequence[str]] | None
    """Tags: text is equality, a sequence is "one of"."""
    start_ns: int | None
    stop_ns: int | None
    """UTC, nanoseconds: ``start_ns <= time < stop_ns``."""
    every_ns: int | None
    """One row per window and tag set, stamped with its start; windows aligned to the epoch, empty ones left out."""
    aggregate: Aggregate | None
    """Alone: one row per tag set over the whole range (stamped ``start_ns`` or 0). With ``every_ns`` ``auto``."""
    by: Sequence[str] | None
    """The tags to keep apart (None: all, empty: none, everything merged)."""
    limit: int | None
    """Keeps the newest rows."""


class Reader(Protocol):
    """Reads points back."""

    def read(self, measurement: str, fields: Sequence[str] | None = None, **options: Unpack[ReadOptions]) -> Columns:
        """Rows of one measurement; ``fields=None`` is all.

        Without ``every_ns`` and ``aggregate`` the raw points come back. Raises KeyError for an unknown measurement,
        field or tag, with the names there are, ValueError for what cannot be, and StoreUnavailable.
        """

    def close(self) -> None:
        """Release what is open. Reading afterwards raises."""


class Store(Reader, Protocol):
    """Keeps points."""

    def write(self, points: Sequence[Point]) -> None:
        """Keep the points, all or none. Raises StoreUnavailable (keep them and try again) or StoreRejected."""
