"""The embedded store: one SQLite file that several processes read and write at once.

This is the face: it turns points into rows and hands the rest to its siblings (``opening`` opens and repairs,
``query`` reads, ``upkeep`` folds and removes, ``journal`` and ``documents`` are what they say). Writing a point of the
same series and time again replaces it and makes it pending again. Times must lie in 1970-2261.
"""

import logging
import socket
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from qos.contract.config import Retention
from qos.contract.errors import StoreRejected, StoreUnavailable
from qos.contract.points import SPECS, TYPES, Event, Point
from qos.store import Columns, ReadOptions
from qos.store.read_request import TIME_MAX_NS, read_request
from qos.store.sqlite import coarse, documents, journal
from qos.store.sqlite.erase import erase
from qos.store.sqlite.journal import Backlog, Batch
from qos.store.sqlite.opening.connections import CACHE_KIB
from qos.store.sqlite.opening.database import Database
from qos.store.sqlite.reading import query
from qos.store.sqlite.reading.read_plan import MINUTE_NS
from qos.store.sqlite.series import SeriesCache
from qos.store.sqlite.upkeep import rollup
from qos.store.sqlite.upkeep.housekeeping import Upkeep
from qos.system import clock

__all__ = ["Backlog", "Batch", "SqliteStore"]

_log = logging.getLogger(__name__)

# MEASUREMENT beside the tags: attrgetter gives a tuple for two names and more only.
_TAGS = {name: attrgetter("MEASUREMENT", *spec.tags) for name, spec in SPECS.items()}
_VALUES = {name: attrgetter("time_ns", *(f.name for f in spec.fields)) for name, spec in SPECS.items()}
_INSERT = {
    name: f"INSERT OR REPLACE INTO {name} (series, time_ns, {', '.join(f.name for f in spec.fields)})"
    f" VALUES ({', '.join('?' * (len(spec.fields) + 2))})"
    for name, spec in SPECS.items()
}


class SqliteStore:
    """``qos.store.Store`` in one file, with state documents, outbox cursors and retention.

    Raises ConfigError at once when the user must act (a stranger's or newer file, a directory that takes no files).
    ``cache_kib`` bounds what each connection keeps of the file in memory; there is one per thread that reads.
    A damaged file is moved aside and a new one started; ``notes`` says so. Safe to share between threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        retention: Retention | None = None,
        host: str | None = None,
        cache_kib: int = CACHE_KIB,
    ) -> None:
        self._database = Database(path, read_only=read_only, cache_kib=cache_kib)
        self._host = host or socket.gethostname() or "localhost"
        self._told = 0
        self._upkeep = Upkeep(self._database, retention or Retention())
        self._series = SeriesCache()

    @classmethod
    def when_available(
        cls, path: Path, stop: threading.Event, *, retention: Retention | None = None, host: str | None = None
    ) -> "SqliteStore | None":
        """The store; waits for one that is unavailable now (a full disk). None when told to stop meanwhile."""
        while True:
            try:
                return cls(path, retention=retention, host=host)
            except StoreUnavailable as error:
                _log.warning("the store cannot be opened yet: %s", error)
                if stop.wait(max(1.0, error.retry_after_s)):
                    return None

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be repaired since opening, in sentences."""
        return tuple(repair.message for repair in self._database.repairs)

    def write(self, points: Sequence[Point], *, states: Mapping[str, Any] | None = None) -> None:
        """Keep the points (and documents), all or none. Raises StoreUnavailable or StoreRejected."""
        encoded = documents.encode(states or {})
        by_name: dict[str, list[Point]] = {}
        for point in points:
            if not 0 <= point.time_ns < TIME_MAX_NS:
                raise StoreRejected(f"{point.MEASUREMENT}: time {point.time_ns} lies outside 1970-2261")
            by_name.setdefault(point.MEASUREMENT, []).append(point)
        with self._database.writing() as db:
            self._series.check(db, self._database.generation)
            try:
                for name, group in by_name.items():
                    self._insert(db, name, group)
                self._insert_repairs(db)
                for key, text in encoded.items():
                    documents.put(db, key, text)
            except UnicodeEncodeError as error:
                self._series.rolled_back()
                raise StoreRejected(f"text that is not Unicode cannot be kept: {error}") from None
            except BaseException:
                self._series.rolled_back()
                raise
        self._series.committed()
        self._told = len(self._database.repairs)

    def _insert_repairs(self, db: sqlite3.Connection) -> None:
        """A new file's first rows say what became of the old one."""
        now_ns = clock.wall_ns()
        events = [
            Event(
                time_ns=now_ns + at,
                host=self._host,
                part="store",
                kind="store_replaced",
                subject=repair.kept_as,
                message=repair.message,
            )
            for at, repair in enumerate(self._database.repairs[self._told :])
        ]
        if events:
            self._insert(db, Event.MEASUREMENT, events)

    def _insert(self, db: sqlite3.Connection, name: str, group: Sequence[Point]) -> None:
        spec = SPECS[name]
        tags = [found[1:] for found in map(_TAGS[name], group)]
        ids = self._series.ids(db, spec, set(tags))
        values = map(_VALUES[name], group)
        db.executemany(_INSERT[name], [(ids[t], *v) for t, v in zip(tags, values, strict=True)])
        rollup.mark(db, name, 1, {point.time_ns - point.time_ns % MINUTE_NS for point in group})

    def read(self, measurement: str, fields: Sequence[str] | None = None, **options: Unpack[ReadOptions]) -> Columns:
        """See ``qos.store.Reader.read``."""
        request = read_request(measurement, fields, **options)
        with self._database.reading() as db:
            return query.read(db, request)

    def get_state(self, key: str) -> Any | None:
        """The JSON document under ``key``, or None."""
        with self._database.reading() as db:
            return documents.get(db, key)

    def states(self, prefix: str) -> dict[str, Any]:
        """Every document whose key starts with ``prefix``, by key."""
        with self._database.reading() as db:
            return documents.under(db, prefix)

    def set_state(self, key: str, value: Any) -> None:
        """Keep a small JSON document; the last write wins."""
        self.write((), states={key: value})

    def delete_state(self, key: str) -> None:
        """Forget a document; no matter if there is none."""
        with self._database.writing() as db:
            documents.delete(db, key)

    def data_version(self) -> int:
        """Changes when anybody wrote, this process included. Compare only with earlier answers of this object."""
        return self._database.version()

    def register_cursor(self, name: str) -> None:
        """From now on rows removed before ``name`` acknowledged them are counted. Starts before the oldest row."""
        with self._database.writing() as db:
            journal.register(db, name)

    def pending(self, name: str, limit: int) -> Batch:
        """At most ``limit`` points that ``name`` has not acknowledged, oldest first. Registers the cursor."""
        with self._database.reading() as db:
            registered = bool(journal.positions(db, name))
        if not registered and not self._database.read_only:
            self.register_cursor(name)
        with self._database.reading() as db:
            return journal.pending(db, name, limit)

    def acknowledge(self, name: str, batch: Batch) -> None:
        """The batch has arrived: it is not pending again unless its rows are written again."""
        with self._database.writing() as db:
            journal.acknowledge(db, name, batch)

    def coarse_shipped(self, numbers: Iterable[int]) -> None:
        """These windows of the coarse history have arrived (``JournalReader.coarse_due`` gave their numbers)."""
        with self._database.writing() as db:
            coarse.shipped(db, numbers)

    def backlog(self, name: str) -> Backlog:
        """How far ``name`` is behind."""
        with self._database.reading() as db:
            return journal.backlog(db, name)

    def delete(self, measurement: str) -> int:
        """Remove every row of a measurement, roll-ups included; how many raw rows there were. Raises KeyError."""
        with self._database.writing() as db:
            return erase(db, SPECS[measurement])

    def size_bytes(self) -> int:
        """What the store takes on the disk, its write-ahead log included."""
        total = 0
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            try:
                total += file.stat().st_size
            except OSError:
                continue
        return total

    def retain(self, retention: Retention) -> None:
        """Other bounds from the next ``maintain`` on."""
        self._upkeep.limits = retention

    def maintain(self, now_ns: int, *, budget_s: float = 0.5) -> bool:
        """Roll up, and remove what is too old or too much. Call about once a minute, from one process.

        Stops after about ``budget_s`` seconds; False says that something is left for the next call.
        """
        stop_ns = clock.monotonic_ns() + budget_s * clock.NS_PER_S
        return self._upkeep.run(now_ns, lambda: clock.monotonic_ns() < stop_ns)

    def close(self) -> None:
        """Release the file. Reading or writing afterwards raises ValueError."""
        self._database.close()

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


assert set(_INSERT) == set(TYPES)
