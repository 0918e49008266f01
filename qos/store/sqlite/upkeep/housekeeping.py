"""The minute's housekeeping: fold, expire by age, shrink to the bound, hand pages back.

Everything is a sequence of short transactions with a question between them: go on? What is left waits for the next
call; reads are exact at any point of it.
"""

from collections.abc import Callable
from typing import Final

from qos.contract.coarse import FIVE_MINUTES_NS
from qos.contract.config import Retention
from qos.contract.points import SPECS
from qos.store.sqlite import coarse
from qos.store.sqlite.opening.database import Database
from qos.store.sqlite.reading.read_plan import HOUR_NS, MINUTE_NS
from qos.store.sqlite.upkeep import retention, rollup

_PAGES_AT_ONCE: Final = 500
_SLACK_BYTES: Final = 32 * 2**20
_WAL_KEPT_BYTES: Final = 4 * 2**20

GoOn = Callable[[], bool]


class Upkeep:
    """Keeps one store's rollups and bounds."""

    def __init__(self, database: Database, limits: Retention) -> None:
        self._database = database
        self.limits = limits
        self._swept_ns: int | None = None

    def run(self, now_ns: int, go_on: GoOn) -> bool:
        """Do what is due. False when ``go_on`` stopped it early."""
        steps = (self._fold, self._expire, self._sweep, self._shrink)
        return all(step(now_ns, go_on) for step in steps)

    def _fold(self, now_ns: int, go_on: GoOn) -> bool:
        for level in (1, 2):
            with self._database.reading() as db:
                due = [(spec, list(rollup.due(db, spec, level, now_ns))) for spec in SPECS.values()]
            for spec, spans in due:
                for span in spans:
                    with self._database.writing() as db:
                        rollup.fold(db, spec, level, span)
                    if not go_on():
                        return False
        return True

    def _expire(self, now_ns: int, go_on: GoOn) -> bool:
        for spec in SPECS.values():
            ages = retention.ages(spec, self.limits)
            for level in range(3):
                if not retention.expire(self._database.writing, spec, level, now_ns - ages.of(level), go_on):
                    return False
        return True

    def _sweep(self, now_ns: int, go_on: GoOn) -> bool:
        if self._swept_ns is not None and abs(now_ns - self._swept_ns) < HOUR_NS:
            return True
        for spec in SPECS.values():
            if spec.local:
                with self._database.writing() as db:
                    retention.forget_series(db, spec)
        with self._database.writing() as db:
            coarse.forget(db, FIVE_MINUTES_NS, now_ns - max(self.limits.raw, self.limits.minute))
            coarse.forget(db, HOUR_NS, now_ns - max(self.limits.raw, self.limits.minute, self.limits.hour))
        self._swept_ns = now_ns
        return go_on()

    def _shrink(self, now_ns: int, go_on: GoOn) -> bool:
        high = self.limits.max_size - min(self.limits.max_size // 8, _SLACK_BYTES)
        low = high - high // 16
        with self._database.reading() as db:
            pages = retention.pages(db)
        if pages.used_bytes > high:
            for level in range(3):
                if not self._thin(level, low, now_ns, go_on):
                    return False
        return self._hand_back(high, low, go_on)

    def _thin(self, level: int, low: int, now_ns: int, go_on: GoOn) -> bool:
        """Remove a level's oldest rows until the rows take ``low`` bytes or only the newest are left."""
        until = now_ns - retention.newest_kept_ns(level)
        while True:
            with self._database.reading() as db:
                oldest = retention.oldest_of(db, level)
                if oldest is None or oldest >= until or retention.pages(db).used_bytes <= low:
                    return True
            cut = min(until, oldest + max((MINUTE_NS, HOUR_NS, HOUR_NS)[level] * 2, (until - oldest) // 20))
            for name in retention.thinned(level):
                if not retention.expire(self._database.writing, SPECS[name], level, cut, go_on):
                    return False
            with self._database.reading() as db:
                if retention.oldest_of(db, level) == oldest:
                    return True  # what is left is not folded yet

    def _hand_back(self, high: int, low: int, go_on: GoOn) -> bool:
        """Give free pages back to the disk when the file is over its bound or a quarter of it is empty."""
        done = True
        with self._database.reading() as db:
            pages = retention.pages(db)
        wanted = pages.free if pages.free > max(1000, pages.count // 4) else 0
        if pages.count * pages.size > high:
            wanted = max(wanted, min(pages.free, pages.count - low // pages.size))
        while wanted > 0 and done:
            with self._database.writing() as db:
                db.execute(f"PRAGMA incremental_vacuum({min(wanted, _PAGES_AT_ONCE)})").fetchall()
            wanted -= _PAGES_AT_ONCE
            done = go_on()
        self._database.checkpoint(min(_WAL_KEPT_BYTES, self.limits.max_size // 16))
        return done
