"""Points: every measurement with its tags, fields and units. The contract of the whole system.

A measurement is one frozen dataclass. Tags are bounded strings (never a PID, address, port, path or command line, but
for the measurements marked ``LOCAL``, which never leave this machine). Bytes are integers (deltas per interval),
rates ``_bps`` are bits per second, ratios are 0-1. ``time_ns`` is UTC, nanoseconds, taken at sampling. A field that
is ``None`` is absent: NULL in SQLite, left out of line protocol.

A point is validated once, when it is made: wrong types, NaN, infinities, empty tags, lone surrogates and integers
beyond 64 bits raise ``ValueError`` there, so nothing downstream checks again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType, NoneType, UnionType
from typing import Any, ClassVar, Final, Literal, get_args, get_type_hints

Kind = Literal["int", "float", "str"]
Rollup = Literal["sum", "mean", "max", "last"]
"""How values of a field combine over time: ``sum`` for deltas, ``mean`` for levels, ``max`` for worst cases."""

_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a measurement."""

    name: str
    kind: Kind
    unit: str
    rollup: Rollup
    optional: bool


@dataclass(frozen=True, slots=True)
class Spec:
    """One measurement: its name, tags and fields in order; ``local`` ones are never shipped."""

    name: str
    tags: tuple[str, ...]
    fields: tuple[FieldSpec, ...]
    local: bool

    def field(self, name: str) -> FieldSpec:
        """The field's spec. Raises KeyError with the names there are."""
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(f"{self.name} has no field {name!r}; it has {', '.join(f.name for f in self.fields)}")


def _tag() -> Any:
    return field(metadata={"tag": True})


def _num(unit: str, rollup: Rollup, default: Any = MISSING) -> Any:
    metadata = {"unit": unit, "rollup": rollup}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What every measurement shares."""

    MEASUREMENT: ClassVar[str] = ""
    LOCAL: ClassVar[bool] = False

    time_ns: int

    def __post_init__(self) -> None:
        spec = spec_of(type(self))
        if type(self.time_ns) is not int or self.time_ns not in _INT64:
            raise ValueError(f"{spec.name}.time_ns: {self.time_ns!r} is not a time in nanoseconds")
        for tag in spec.tags:
            value = getattr(self, tag)
            if type(value) is not str or not value:
                raise ValueError(f"{spec.name}.{tag}: a tag is text and never empty, got {value!r}")
            if not _is_unicode(value):
                raise ValueError(f"{spec.name}.{tag}: {value!r} is not Unicode text")
        for f in spec.fields:
            _check(spec.name, f, getattr(self, f.name))

    @property
    def tags(self) -> dict[str, str]:
        """The tags by name."""
        return {name: getattr(self, name) for name in spec_of(type(self)).tags}

    @property
    def values(self) -> dict[str, int | float | str]:
        """The fields that are present, by name."""
        pairs = ((f.name, getattr(self, f.name)) for f in spec_of(type(self)).fields)
        return {name: value for name, value in pairs if value is not None}


def _check(measurement: str, spec: FieldSpec, value: object) -> None:
    where = f"{measurement}.{spec.name}"
    if value is None:
        if not spec.optional:
            raise ValueError(f"{where}: missing")
    elif spec.kind == "int":
        if type(value) is not int or value not in _INT64:
            raise ValueError(f"{where}: {value!r} is not a 64-bit integer")
    elif spec.kind == "float":
        if type(value) is not float or not math.isfinite(value):
            raise ValueError(f"{where}: {value!r} is not a finite float")
    elif type(value) is not str:
        raise ValueError(f"{where}: {value!r} is not text")
    elif not _is_unicode(value):
        raise ValueError(f"{where}: {value!r} is not Unicode text")


def _is_unicode(text: str) -> bool:
    """False for lone surrogates, as file names that are not UTF-8 have in Python: no store takes them."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTraffic(Point):
    """What one application sent and received in one interval. Only written for applications with traffic."""

    MEASUREMENT: ClassVar[str] = "app_traffic"

    host: str = _tag()
    app: str = _tag()
    rx_bytes: int = _num("bytes", "sum")
    tx_bytes: int = _num("bytes", "sum")
    rx_packets: int = _num("packets", "sum")
    tx_packets: int = _num("packets", "sum")
    flows: int = _num("flows", "max")
    processes: int = _num("processes", "max")
    priority: int = _num("level", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTraffic(Point):
    """One interface's counters over one interval, and what no application could be named for. Every tick."""

    MEASUREMENT: ClassVar[str] = "host_traffic"

    host: str = _tag()
    iface: str = _tag()
    rx_bytes: int = _num("bytes", "sum")
    tx_bytes: int = _num("bytes", "sum")
    rx_drops: int = _num("packets", "sum")
    tx_drops: int = _num("packets", "sum")
    rx_errors: int = _num("packets", "sum")
    tx_errors: int = _num("packets", "sum")
    unattributed_rx_bytes: int = _num("bytes", "sum")
    unattributed_tx_bytes: int = _num("bytes", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Point):
    """One probe of one target. A failure is a row with ``ok=0``, no ``rtt_ms`` and its reason.

    ``sent=0``: it never left this computer (no right to, say), which is no loss. ``kind``: ``icmp`` (an echo) or
    ``tcp`` (the time of a handshake). The target ``gateway`` is the router behind this computer, found by itself.
    """

    MEASUREMENT: ClassVar[str] = "probe"

    host: str = _tag()
    target: str = _tag()
    ok: int = _num("bool", "mean")
    rtt_ms: float | None = _num("ms", "mean", None)
    jitter_ms: float | None = _num("ms", "mean", None)
    loss_ratio: float = _num("ratio", "mean")
    sent: int = _num("probes", "sum")
    received: int = _num("probes", "sum")
    reason: str = _num("text", "last", "")
    kind: str = _num("text", "last", "icmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppResources(Point):
    """CPU (percent of one core) and resident memory of an application, all its processes together."""

    MEASUREMENT: ClassVar[str] = "app_resources"

    host: str = _tag()
    app: str = _tag()
    cpu_percent: float = _num("percent", "mean")
    rss_bytes: int = _num("bytes", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLimit(Point):
    """The limit in force for an application. ``None`` is "no limit in that direction"; ``active=0`` ends one."""

    MEASUREMENT: ClassVar[str] = "app_limit"

    host: str = _tag()
    app: str = _tag()
    down_bps: int | None = _num("bps", "last", None)
    up_bps: int | None = _num("bps", "last", None)
    active: int = _num("bool", "max")
    delayed_packets: int = _num("packets", "sum")
    dropped_packets: int = _num("packets", "sum")
    queue_ms: float = _num("ms", "max")
    reason: str = _num("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast(Point):
    """A prediction, stamped with its target time. ``made_at`` is when it was made (UTC, ns)."""

    MEASUREMENT: ClassVar[str] = "forecast"

    host: str = _tag()
    series: str = _tag()
    model: str = _tag()
    value: float = _num("series", "last")
    lower: float = _num("series", "last")
    upper: float = _num("series", "last")
    baseline: float = _num("series", "last")
    made_at: int = _num("ns", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastScore(Point):
    """How a model did on later data. ``published=1`` marks the one that serves."""

    MEASUREMENT: ClassVar[str] = "forecast_score"

    host: str = _tag()
    series: str = _tag()
    model: str = _tag()
    mae: float = _num("series", "last")
    rmse: float = _num("series", "last")
    mase: float | None = _num("ratio", "last", None)
    r2: float | None = _num("ratio", "last", None)
    coverage: float | None = _num("ratio", "last", None)
    samples: int = _num("samples", "last")
    train_seconds: float = _num("s", "last")
    published: int = _num("bool", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(Point):
    """The agent about itself, one row per part and tick. Counters are deltas; ``outbox_rows`` is a level."""

    MEASUREMENT: ClassVar[str] = "agent"

    host: str = _tag()
    part: str = _tag()
    cpu_percent: float = _num("percent", "mean")
    rss_bytes: int = _num("bytes", "mean")
    points_written: int = _num("points", "sum")
    points_dropped: int = _num("points", "sum")
    capture_lost: int = _num("packets", "sum")
    outbox_rows: int = _num("rows", "last")
    restarts: int = _num("restarts", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Point):
    """Something that happened once: a decision, a retraining, a lost backend (docs/decisions/0001)."""

    MEASUREMENT: ClassVar[str] = "event"

    host: str = _tag()
    part: str = _tag()
    kind: str = _tag()
    subject: str = _num("text", "last")
    message: str = _num("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredLink(Point):
    """What the line can do, from ``link:`` in config.yaml; once a minute where it is set (docs/decisions/0002)."""

    MEASUREMENT: ClassVar[str] = "link"

    host: str = _tag()
    down_bps: int | None = _num("bps", "last", None)
    up_bps: int | None = _num("bps", "last", None)

    def __post_init__(self) -> None:
        Point.__post_init__(self)
        if self.down_bps is None and self.up_bps is None:
            raise ValueError("link: a point needs at least one of down_bps and up_bps")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstimate(Point):
    """What the line was learned to carry in one direction: on change and once a minute (docs/decisions/0053)."""

    MEASUREMENT: ClassVar[str] = "link_estimate"

    host: str = _tag()
    direction: str = _tag()
    capacity_bps: int = _num("bps", "last")
    budget_bps: int | None = _num("bps", "last", None)
    confidence: float = _num("ratio", "last")
    age_s: float = _num("s", "last")
    state: str = _num("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class LagIncident(Point):
    """One episode of lag and who made it; ``time_ns`` is its onset, so a later diagnosis replaces the row (0052).

    ``cause``: ``application``, ``unnamed``, ``others``, ``provider``, ``local_network``, ``target``, ``own_limit`` or
    ``unknown``. Causes are fields, not tags: the diagnosis of a running incident may change, and its row with it.
    """

    MEASUREMENT: ClassVar[str] = "lag_incident"

    host: str = _tag()
    duration_s: float = _num("s", "sum")
    extra_ms: float = _num("ms", "max")
    loss_ratio: float = _num("ratio", "max")
    cause: str = _num("text", "last")
    app: str | None = _num("text", "last", None)
    direction: str | None = _num("text", "last", None)
    share_ratio: float | None = _num("ratio", "max", None)
    confidence: float = _num("ratio", "last")
    running: int = _num("bool", "last")
    suffered: str | None = _num("text", "last", None)
    evidence: str = _num("text", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTraffic(Point):
    """Per-process bytes for ``top`` and ``usage --by pid``. Stays on this machine, with a short retention."""

    MEASUREMENT: ClassVar[str] = "process_traffic"
    LOCAL: ClassVar[bool] = True

    app: str = _tag()
    pid: str = _tag()
    started: str = _tag()
    rx_bytes: int = _num("bytes", "sum")
    tx_bytes: int = _num("bytes", "sum")
    rx_packets: int = _num("packets", "sum")
    tx_packets: int = _num("packets", "sum")


_specs: dict[str, Spec] = {}


def spec_of(kind: type[Point]) -> Spec:
    """The spec that a measurement's dataclass declares."""
    known = _specs.get(kind.MEASUREMENT)
    if known is None:
        known = _specs[kind.MEASUREMENT] = _declared_spec(kind)
    return known


def _declared_spec(kind: type[Point]) -> Spec:
    hints = get_type_hints(kind)
    declared = [f for f in fields(kind) if f.name != "time_ns"]
    tags = tuple(f.name for f in declared if f.metadata.get("tag"))
    specs = []
    for f in declared:
        if f.metadata.get("tag"):
            continue
        hint = hints[f.name]
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        base = next(p for p in parts if p is not NoneType)
        specs.append(
            FieldSpec(f.name, base.__name__, f.metadata["unit"], f.metadata["rollup"], NoneType in parts),
        )
    return Spec(kind.MEASUREMENT, tags, tuple(specs), kind.LOCAL)


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
            ProcessTraffic,
        )
    }
)
SPECS: Final[Mapping[str, Spec]] = MappingProxyType({name: spec_of(kind) for name, kind in TYPES.items()})
"""Every measurement by name."""


_ESCAPE_TAG: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "})
_ESCAPE_TEXT: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})


def escape_tag(value: str) -> str:
    """A tag's value as line protocol wants it. A trailing backslash would escape the separator: it becomes a slash."""
    return (f"{value[:-1]}/" if value.endswith("\\") else value).translate(_ESCAPE_TAG)


def escape_text(value: str) -> str:
    """A text field's value as line protocol wants it, without the quotes around it."""
    return value.translate(_ESCAPE_TEXT)


def _line_parts(point: Point) -> Iterator[str]:
    spec = spec_of(type(point))
    for name, value in point.values.items():
        kind = spec.field(name).kind
        if kind == "int":
            yield f"{name}={value}i"
        elif kind == "float":
            yield f"{name}={value!r}"
        else:
            yield f'{name}="{escape_text(str(value))}"'


def to_line(point: Point) -> str:
    """InfluxDB line protocol, nanosecond precision, no trailing newline.

    Integers carry ``i``; floats are written so that they read back exactly. A trailing backslash in a tag would escape
    the separator, so it becomes a slash. Source: docs.influxdata.com, "Line protocol", InfluxDB v2.
    """
    tags = "".join(f",{name}={escape_tag(value)}" for name, value in sorted(point.tags.items()))
    return f"{point.MEASUREMENT}{tags} {','.join(_line_parts(point))} {point.time_ns}"
