"""What the shipper tells in its heartbeat (``Heartbeat.report`` of ``part:shipper``): what waits for InfluxDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from qos.contract.documents.fields import Fields, number, text, texts, whole


@dataclass(frozen=True, slots=True)
class ShippingReport:
    """Counts since the shipper started, but ``rows``: waiting now, the oldest from ``oldest_ns`` (UTC).

    ``rate``: rows a second over the last ten seconds; ``aged_out``: lost because the store's bounds removed them;
    ``rejected``: set aside because the server will never take them; ``set_aside``: how many of those wait beside the
    store. ``history_waiting``: windows of the coarse history. ``states``: what keeps points from arriving now, a
    sentence each. None: not known.
    """

    url: str = ""
    bucket: str = ""
    rows: int | None = None
    oldest_ns: int | None = None
    rate: float | None = None
    sent: int | None = None
    rejected: int | None = None
    set_aside: int | None = None
    aged_out: int | None = None
    failures: int | None = None
    last_error: str = ""
    rss_bytes: int | None = None
    history_waiting: int | None = None
    history_error: str = ""
    states: tuple[str, ...] = ()

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """What is missing or is no number is not known."""
        return cls(
            url=text(fields, "url"),
            bucket=text(fields, "bucket"),
            rows=whole(fields, "rows"),
            oldest_ns=whole(fields, "oldest_ns"),
            rate=number(fields, "rate"),
            sent=whole(fields, "sent"),
            rejected=whole(fields, "rejected"),
            set_aside=whole(fields, "set_aside"),
            aged_out=whole(fields, "aged_out"),
            failures=whole(fields, "failures"),
            last_error=text(fields, "last_error"),
            rss_bytes=whole(fields, "rss_bytes"),
            history_waiting=whole(fields, "history_waiting"),
            history_error=text(fields, "history_error"),
            states=texts(fields, "states"),
        )

    def dump(self) -> Mapping[str, Any]:
        """The heartbeat's further keys."""
        return {
            "url": self.url,
            "bucket": self.bucket,
            "rows": self.rows,
            "oldest_ns": self.oldest_ns,
            "rate": self.rate,
            "sent": self.sent,
            "rejected": self.rejected,
            "set_aside": self.set_aside,
            "aged_out": self.aged_out,
            "failures": self.failures,
            "last_error": self.last_error,
            "rss_bytes": self.rss_bytes,
            "history_waiting": self.history_waiting,
            "history_error": self.history_error,
            "states": list(self.states),
        }
