"""One outlook per ``quota:`` of the settings: what was used, when the cap will be reached, the rest of today."""

from dataclasses import asdict, dataclass
from datetime import tzinfo
from typing import Any

from forecaster.quota.period import QuotaPeriod, local_days, period_at
from forecaster.quota.projection import ByteBand, CapForecast, project
from forecaster.quota.usage import SLOT_NS, read_usage
from qos.contract.config import Config, QuotaConfig
from qos.store import Reader


@dataclass(frozen=True, slots=True)
class QuotaOutlook:
    """What is said of one data volume. Bytes both ways; times UTC, ns."""

    app: str | None
    """None: the whole computer."""
    volume_bytes: int
    period: QuotaPeriod
    used_bytes: int
    since_ns: int
    """Counted from here on: later than the period's start where the first measurement is."""
    today_bytes: int
    crossed_ns: int | None
    """When the volume was used up; None: it is not."""
    history_days: int
    forecast: CapForecast | None
    reason: str = ""
    """Why there is no forecast."""

    @property
    def name(self) -> str:
        """Whose volume it is."""
        return self.app or "whole computer"

    @property
    def expected_today(self) -> ByteBand | None:
        """Of today until midnight: what was used and what is expected still."""
        if self.forecast is None:
            return None
        rest = self.forecast.rest_of_today
        return ByteBand(*(self.today_bytes + part for part in (rest.lower, rest.value, rest.upper)))

    def document(self) -> dict[str, Any]:
        """JSON's object."""
        today = self.expected_today
        return asdict(self) | {"name": self.name, "expected_today": None if today is None else asdict(today)}


def read_outlooks(reader: Reader, config: Config, now_ns: int, zone: tzinfo | None = None) -> tuple[QuotaOutlook, ...]:
    """For every ``quota:`` of the settings, in their order. Raises StoreUnavailable."""
    return tuple(_outlook(reader, config.host, quota, now_ns, zone) for quota in config.quota)


def _outlook(reader: Reader, host: str, quota: QuotaConfig, now_ns: int, zone: tzinfo | None) -> QuotaOutlook:
    period = period_at(now_ns, quota.start_day, zone)
    found = read_usage(reader, host, quota.app, now_ns, period=period, volume_bytes=quota.volume, zone=zone)
    if found is None:
        return QuotaOutlook(quota.app, quota.volume, period, 0, now_ns, 0, None, 0, None, "nothing was measured yet")
    forecast, reason = None, ""
    try:
        forecast = project(
            found.used_bytes,
            quota.volume,
            now_ns,
            period=period,
            coming=tuple(local_days(now_ns, period.stop_ns, zone)),
            history=found.days,
            slot_ns=SLOT_NS,
        )
    except ValueError as error:
        reason = str(error)
    return QuotaOutlook(
        quota.app,
        quota.volume,
        period,
        found.used_bytes,
        found.since_ns,
        found.today_bytes,
        found.crossed_ns,
        len(found.days),
        forecast,
        reason,
    )
