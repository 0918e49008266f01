"""The measurements, one class each: which tags and fields they have, in which units."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from qos import __version__
from qos.contract.points.point import Point, Spec, spec_of, tag_field, value_field


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTraffic(Point):
    """What one application sent and received in one interval. Only written for applications with traffic."""

    MEASUREMENT: ClassVar[str] = "app_traffic"

    host: str = tag_field()
    app: str = tag_field()
    rx_bytes: int = value_field("bytes", "sum")
    tx_bytes: int = value_field("bytes", "sum")
    rx_packets: int = value_field("packets", "sum")
    tx_packets: int = value_field("packets", "sum")
    flows: int = value_field("flows", "max")
    processes: int = value_field("processes", "max")
    priority: int = value_field("level", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTraffic(Point):
    """One interface's counters over one interval, and what no application could be named for. Every tick."""

    MEASUREMENT: ClassVar[str] = "host_traffic"

    host: str = tag_field()
    iface: str = tag_field()
    rx_bytes: int = value_field("bytes", "sum")
    tx_bytes: int = value_field("bytes", "sum")
    rx_drops: int = value_field("packets", "sum")
    tx_drops: int = value_field("packets", "sum")
    rx_errors: int = value_field("packets", "sum")
    tx_errors: int = value_field("packets", "sum")
    unattributed_rx_bytes: int = value_field("bytes", "sum")
    unattributed_tx_bytes: int = value_field("bytes", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Point):
    """One probe of one target. A failure is a row with ``ok=0``, no ``rtt_ms`` and its reason.

    ``sent=0``: it never left this computer (no right to, say), which is no loss. ``kind``: ``icmp`` (an echo) or
    ``tcp`` (the time of a handshake). The target ``gateway`` is the router behind this computer, found by itself.
    """

    MEASUREMENT: ClassVar[str] = "probe"

    host: str = tag_field()
    target: str = tag_field()
    ok: int = value_field("bool", "mean")
    rtt_ms: float | None = value_field("ms", "mean", None)
    jitter_ms: float | None = value_field("ms", "mean", None)
    loss_ratio: float = value_field("ratio", "mean")
    sent: int = value_field("probes", "sum")
    received: int = value_field("probes", "sum")
    reason: str = value_field("text", "last", "")
    kind: str = value_field("text", "last", "icmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppResources(Point):
    """CPU (percent of one core) and resident memory of an application, all its processes together."""

    MEASUREMENT: ClassVar[str] = "app_resources"

    host: str = tag_field()
    app: str = tag_field()
    cpu_percent: float = value_field("percent", "mean")
    rss_bytes: int = value_field("bytes", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLimit(Point):
    """The limit in force for an application. ``None`` is "no limit in that direction"; ``active=0`` ends one."""

    MEASUREMENT: ClassVar[str] = "app_limit"

    host: str = tag_field()
    app: str = tag_field()
    down_bps: int | None = value_field("bps", "last", None)
    up_bps: int | None = value_field("bps", "last", None)
    active: int = value_field("bool", "max")
    delayed_packets: int = value_field("packets", "sum")
    dropped_packets: int = value_field("packets", "sum")
    queue_ms: float = value_field("ms", "max")
    reason: str = value_field("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast(Point):
    """A prediction, stamped with its target time. ``made_at`` is when it was made (UTC, ns)."""

    MEASUREMENT: ClassVar[str] = "forecast"

    host: str = tag_field()
    series: str = tag_field()
    model: str = tag_field()
    value: float = value_field("series", "last")
    lower: float = value_field("series", "last")
    upper: float = value_field("series", "last")
    baseline: float = value_field("series", "last")
    made_at: int = value_field("ns", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastScore(Point):
    """How a model did on later data. ``published=1`` marks the one that serves."""

    MEASUREMENT: ClassVar[str] = "forecast_score"

    host: str = tag_field()
    series: str = tag_field()
    model: str = tag_field()
    mae: float = value_field("series", "last")
    rmse: float = value_field("series", "last")
    mase: float | None = value_field("ratio", "last", None)
    r2: float | None = value_field("ratio", "last", None)
    coverage: float | None = value_field("ratio", "last", None)
    samples: int = value_field("samples", "last")
    train_seconds: float = value_field("s", "last")
    published: int = value_field("bool", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(Point):
    """The agent about itself, one row per part and tick. Counters are deltas; ``outbox_rows`` is a level.

    ``version`` is that of the AutoQoS that wrote the row: parts may differ after an upgrade until they are restarted.
    """

    MEASUREMENT: ClassVar[str] = "agent"

    host: str = tag_field()
    part: str = tag_field()
    cpu_percent: float = value_field("percent", "mean")
    rss_bytes: int = value_field("bytes", "mean")
    points_written: int = value_field("points", "sum")
    points_dropped: int = value_field("points", "sum")
    capture_lost: int = value_field("packets", "sum")
    outbox_rows: int = value_field("rows", "last")
    restarts: int = value_field("restarts", "sum")
    version: str = value_field("text", "last", __version__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Point):
    """Something that happened once: a decision, a retraining, a lost backend (docs/decisions/0001)."""

    MEASUREMENT: ClassVar[str] = "event"

    host: str = tag_field()
    part: str = tag_field()
    kind: str = tag_field()
    subject: str = value_field("text", "last")
    message: str = value_field("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredLink(Point):
    """What the line can do, from ``link:`` in config.yaml; once a minute where it is set (docs/decisions/0002)."""

    MEASUREMENT: ClassVar[str] = "link"

    host: str = tag_field()
    down_bps: int | None = value_field("bps", "last", None)
    up_bps: int | None = value_field("bps", "last", None)

    def __post_init__(self) -> None:
        Point.__post_init__(self)
        if self.down_bps is None and self.up_bps is None:
            raise ValueError("link: a point needs at least one of down_bps and up_bps")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstimate(Point):
    """What the line was learned to carry in one direction: on change and once a minute (docs/decisions/0053)."""

    MEASUREMENT: ClassVar[str] = "link_estimate"

    host: str = tag_field()
    direction: str = tag_field()
    capacity_bps: int = value_field("bps", "last")
    budget_bps: int | None = value_field("bps", "last", None)
    confidence: float = value_field("ratio", "last")
    age_s: float = value_field("s", "last")
    state: str = value_field("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class LagIncident(Point):
    """One episode of lag and who made it; ``time_ns`` is its onset, so a later diagnosis replaces the row (0052).

    ``cause``: ``application``, ``unnamed``, ``others``, ``provider``, ``local_network``, ``target``, ``own_limit`` or
    ``unknown``. Causes are fields, not tags: the diagnosis of a running incident may change, and its row with it.
    """

    MEASUREMENT: ClassVar[str] = "lag_incident"

    host: str = tag_field()
    duration_s: float = value_field("s", "sum")
    extra_ms: float = value_field("ms", "max")
    loss_ratio: float = value_field("ratio", "max")
    cause: str = value_field("text", "last")
    app: str | None = value_field("text", "last", None)
    direction: str | None = value_field("text", "last", None)
    share_ratio: float | None = value_field("ratio", "max", None)
    confidence: float = value_field("ratio", "last")
    running: int = value_field("bool", "last")
    suffered: str | None = value_field("text", "last", None)
    evidence: str = value_field("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class LagCause(Point):
    """Who makes the lag that goes on now: one row a tick while an incident runs, ``cause`` as there (0084).

    Its tags are what alerts can name. ``app`` is ``-`` where no application made it. A verdict that changes goes on
    under other tags, and the row of the incident keeps the last one.
    """

    MEASUREMENT: ClassVar[str] = "lag_cause"

    host: str = tag_field()
    cause: str = tag_field()
    app: str = tag_field()
    extra_ms: float = value_field("ms", "max")
    loss_ratio: float = value_field("ratio", "max")
    confidence: float = value_field("ratio", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTraffic(Point):
    """Per-process bytes for ``top`` and ``usage --by pid``. Stays on this machine, with a short retention."""

    MEASUREMENT: ClassVar[str] = "process_traffic"
    LOCAL: ClassVar[bool] = True

    app: str = tag_field()
    pid: str = tag_field()
    started: str = tag_field()
    rx_bytes: int = value_field("bytes", "sum")
    tx_bytes: int = value_field("bytes", "sum")
    rx_packets: int = value_field("packets", "sum")
    tx_packets: int = value_field("packets", "sum")


TYPES: Final[Mapping[str, type[Point]]] = MappingProxyType(
    {
        kind.MEASUREMENT: kind
        for kind in (
            AppTraffic,
            HostTraffic,
            Probe,
            AppResources,
            AppLimit,
            Forecast,
            ForecastScore,
            Agent,
            Event,
            ConfiguredLink,
            LinkEstimate,
            LagIncident,
            LagCause,
            ProcessTraffic,
        )
    }
)


SPECS: Final[Mapping[str, Spec]] = MappingProxyType({name: spec_of(kind) for name, kind in TYPES.items()})
"""Every measurement by name."""
