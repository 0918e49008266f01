"""How the agent goes, and its settings."""

from typing import Any

from typing_extensions import TypedDict

from console.page.api.answers import closed


@closed
class PartEntry(TypedDict):
    """One part as its heartbeat and the system tell it."""

    part: str
    running: bool
    state: str
    detail: str
    pid: int | None
    heartbeat: str
    age_s: float
    cpu_percent: float | None
    rss_bytes: int | None


@closed
class CaptureEntry(TypedDict):
    """How bytes get their application; ``lost`` events, ``coverage`` 0 to 1."""

    backend: str
    reason: str
    blind_to: list[str]
    lost: int
    coverage: float | None
    time: str


@closed
class StoreEntry(TypedDict):
    """The embedded store's file."""

    path: str
    bytes: int | None


@closed
class CostEntry(TypedDict):
    """All parts together."""

    cpu_percent: float
    rss_bytes: int


@closed
class OutboxEntry(TypedDict):
    """What waits for InfluxDB."""

    url: str
    running: bool
    rows: int
    oldest: str | None
    oldest_age_s: float | None
    aged_out: int
    rejected: int
    set_aside: int
    history_waiting: int | None
    history_error: str
    rate: float | None
    last_error: str


@closed
class ByteBandEntry(TypedDict):
    """Bytes with a band: one course in ten is below ``lower``, one above ``upper``."""

    lower: int
    value: int
    upper: int


@closed
class QuotaPeriodEntry(TypedDict):
    """The month of a data volume, UTC nanoseconds."""

    start_ns: int
    stop_ns: int


@closed
class CapForecastEntry(TypedDict):
    """How the month may go on: ``chance`` 0 to 1 that the volume is reached, and when (UTC nanoseconds)."""

    total: ByteBandEntry
    rest_of_today: ByteBandEntry
    chance: float
    reached_ns: int | None
    early_ns: int | None
    late_ns: int | None


@closed
class QuotaEntry(TypedDict):
    """One data volume of the settings (``quota:``), as ``forecaster.quota`` sees it. Bytes both ways."""

    name: str
    app: str | None
    volume_bytes: int
    period: QuotaPeriodEntry
    used_bytes: int
    since_ns: int
    today_bytes: int
    crossed_ns: int | None
    history_days: int
    forecast: CapForecastEntry | None
    reason: str
    expected_today: ByteBandEntry | None


@closed
class StatusAnswer(TypedDict):
    """``autoqos status`` as an object."""

    running: bool
    mode: str
    paused: bool
    data_dir: str
    config: str | None
    config_in_force: str | None
    store: StoreEntry
    parts: list[PartEntry]
    capture: CaptureEntry | None
    self: CostEntry
    outbox: OutboxEntry | None
    lag: dict[str, Any] | None
    forecasts: str
    notes: list[str]
    line: list[str]
    quota: list[QuotaEntry]
    writable: bool


@closed
class SettingEntry(TypedDict):
    """One setting in force, as config.yaml writes it (``1s``, ``20mbit``); ``source``: the file or the default."""

    key: str
    value: Any
    source: str


@closed
class SettingProblem(TypedDict):
    """What is wrong, at its key."""

    key: str
    problem: str


@closed
class ConfigAnswer(TypedDict):
    """The file's text and what is in force; no secrets."""

    path: str | None
    text: str
    values: list[SettingEntry]
    problems: list[SettingProblem]
    writable: bool


@closed
class CheckAnswer(TypedDict):
    """Every problem of a text."""

    good: bool
    problems: list[SettingProblem]
