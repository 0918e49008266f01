"""What was measured: usage, rows, the timeline, lag, forecasts, events."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from console.page.api.answers import closed
from console.page.api.answers.steering import BytePair


@closed
class UsageEntry(TypedDict):
    """An application, or (``by=pid``) a process of it."""

    app: str
    pid: NotRequired[int]
    started: NotRequired[str | None]
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int


@closed
class UsageAnswer(TypedDict):
    """Totals; ``coverage`` (0 to 1) is the share of the host's bytes that has a name."""

    start: str
    stop: str
    apps: NotRequired[list[UsageEntry]]
    processes: NotRequired[list[UsageEntry]]
    unattributed: BytePair
    host: BytePair
    coverage: float | None


@closed
class QueryAnswer(TypedDict):
    """Rows of ``time``, the measurement's tags and its fields; ``next`` is the ``until`` of the page before them."""

    measurement: str
    rows: list[dict[str, str | int | float | None]]
    next: NotRequired[str]


@closed
class RatesLine(TypedDict):
    """Rates on the grid; None where nothing was measured."""

    down: list[int | None]
    up: list[int | None]


@closed
class AppLine(RatesLine):
    """One application's rates on the grid."""

    app: str


@closed
class ProbeLine(TypedDict):
    """One target's latency and loss on the grid."""

    target: str
    rtt_ms: list[float | None]
    loss_ratio: list[float | None]


@closed
class GapEntry(TypedDict):
    """Nothing was measured: asleep, or not running."""

    start_ms: int
    stop_ms: int


@closed
class IncidentEntry(TypedDict):
    """One lag incident."""

    id: str
    start_ms: int
    duration_s: float
    extra_ms: float
    loss_ratio: float
    cause: str
    app: str | None
    direction: str | None
    share_ratio: float | None
    confidence: float
    running: bool
    suffered: str | None
    evidence: str
    advice: NotRequired[str]


@closed
class IncidentAnswer(IncidentEntry):
    """With what every application moved around it."""

    traffic: list[UsageEntry]


@closed
class IncidentListAnswer(TypedDict):
    """Newest first."""

    incidents: list[IncidentEntry]


@closed
class EventEntry(TypedDict):
    """Something that happened once."""

    time_ms: int
    part: str
    kind: str
    subject: str | None
    message: str | None


@closed
class EventListAnswer(TypedDict):
    """Newest first."""

    events: list[EventEntry]


@closed
class TimelineAnswer(TypedDict):
    """Everything over a period on one grid: ``start_ms`` and every ``every_ns``; ``ran`` where it was measured."""

    start_ms: int
    every_ms: int
    ran: list[bool]
    apps: list[AppLine]
    host: NotRequired[RatesLine]
    gaps: list[GapEntry]
    probes: list[ProbeLine]
    incidents: list[IncidentEntry]
    events: list[EventEntry]


@closed
class StepEntry(TypedDict):
    """One step: the forecast, its 80 % band, the baseline."""

    time_ms: int
    value: float | None
    lower: float | None
    upper: float | None
    baseline: float | None


@closed
class ForecastEntry(TypedDict):
    """One series."""

    series: str
    model: str
    made_at: str
    steps: list[StepEntry]


@closed
class ForecastAnswer(TypedDict):
    """The newest forecast of each series."""

    forecasts: list[ForecastEntry]


@closed
class ScoreEntry(TypedDict):
    """How good a model was on later data."""

    series: str
    model: str
    time: str
    mae: float | None
    rmse: float | None
    mase: float | None
    r2: float | None
    coverage: float | None
    samples: int | None
    published: int | None


@closed
class ScoreListAnswer(TypedDict):
    """The newest score of every model of every series."""

    scores: list[ScoreEntry]


@closed
class HistoryFrame(TypedDict):
    """The stream's ``history``: the last minutes, or what was missed since ``Last-Event-ID``."""

    start_ms: int
    every_ms: int
    ran: list[bool]
    apps: list[AppLine]
    host: RatesLine
    probes: list[ProbeLine]


@closed
class LiveFrame(TypedDict):
    """The stream's ``live``: the present, about once a second. What is absent is left out."""

    id: int
    time_ms: int
    live: bool
    mode: str
    enforcer: dict[str, Any]
    paused: bool
    paused_until_ms: NotRequired[int]
    note: NotRequired[str]
    writable: bool
    apps: list[dict[str, Any]]
    link: NotRequired[dict[str, int | None]]
    interval_ms: NotRequired[int]
    coverage: NotRequired[float | None]
    backend: NotRequired[str]
    lost: NotRequired[int]
    host: NotRequired[dict[str, int]]
    unattributed: NotRequired[dict[str, int]]
    probes: NotRequired[list[dict[str, Any]]]
    lag: NotRequired[IncidentEntry]


@closed
class TroubleFrame(TypedDict):
    """The stream's ``trouble``: the present cannot be read now, and why."""

    detail: str
