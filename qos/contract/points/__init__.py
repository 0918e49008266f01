"""Points: every measurement with its tags, fields and units. The contract of the whole system.

A measurement is one frozen dataclass. Tags are bounded strings (never a PID, address, port, path or command line, but
for the measurements marked ``LOCAL``, which never leave this machine). Bytes are integers (deltas per interval),
rates ``_bps`` are bits per second, ratios are 0-1. ``time_ns`` is UTC, nanoseconds, taken at sampling. A field that
is ``None`` is absent: NULL in SQLite, left out of line protocol.

A point is validated once, when it is made: wrong types, NaN, infinities, empty tags, lone surrogates and integers
beyond 64 bits raise ``ValueError`` there, so nothing downstream checks again.
"""

from qos.contract.points.line_protocol import escape_tag, escape_text, to_line
from qos.contract.points.measurements import (
    SPECS,
    TYPES,
    Agent,
    AppLimit,
    AppResources,
    AppTraffic,
    ConfiguredLink,
    Event,
    Forecast,
    ForecastScore,
    HostTraffic,
    LagCause,
    LagIncident,
    LinkEstimate,
    Probe,
    ProcessTraffic,
)
from qos.contract.points.point import FieldSpec, Kind, Point, Rollup, Spec, spec_of

__all__ = [
    "SPECS",
    "TYPES",
    "Agent",
    "AppLimit",
    "AppResources",
    "AppTraffic",
    "ConfiguredLink",
    "Event",
    "FieldSpec",
    "Forecast",
    "ForecastScore",
    "HostTraffic",
    "Kind",
    "LagCause",
    "LagIncident",
    "LinkEstimate",
    "Point",
    "Probe",
    "ProcessTraffic",
    "Rollup",
    "Spec",
    "escape_tag",
    "escape_text",
    "spec_of",
    "to_line",
]
