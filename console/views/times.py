"""Times as people write and read them: ``1h`` (ago), ``2026-11-21T03:00:00Z``, and RFC 3339 back.

Pure: the present is an argument.
"""

import datetime
import re
from typing import Final

from qos.contract.errors import ConfigError
from qos.contract.units import parse_duration_ns

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_S: Final = 10**9
_FRACTION: Final = re.compile(r"\.(\d{1,9})")


def parse_time_ns(text: str, now_ns: int, option: str) -> int:
    """A duration before now, or an RFC 3339 time (no zone: UTC), as UTC nanoseconds. Raises ConfigError."""
    try:
        return max(0, now_ns - parse_duration_ns(text))
    except ValueError:
        pass
    try:
        # fromisoformat keeps microseconds only; what we print must read back to the nanosecond.
        fraction = _FRACTION.search(text)
        when = datetime.datetime.fromisoformat(_FRACTION.sub("", text))
    except ValueError:
        raise ConfigError(
            f"{option}: {text!r} is neither a duration (1h, 30m, 7d) nor a time (2026-11-21T03:00:00Z)"
        ) from None
    when = when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
    delta = when - _EPOCH
    return (delta.days * 86400 + delta.seconds) * _S + (int(fraction[1].ljust(9, "0")) if fraction else 0)


def parse_span_ns(text: str, option: str) -> int:
    """A duration as nanoseconds, more than zero. Raises ConfigError naming the option."""
    try:
        value = parse_duration_ns(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if value <= 0:
        raise ConfigError(f"{option}: must be more than zero")
    return value


def rfc3339(time_ns: int) -> str:
    """UTC, with as many digits of the second as there are (none, 3, 6 or 9)."""
    seconds, fraction = divmod(time_ns, _S)
    text = (_EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def local_time(time_ns: int) -> str:
    """The local clock time of a moment, ``14:02:31``."""
    return (_EPOCH + datetime.timedelta(seconds=time_ns // _S)).astimezone().strftime("%H:%M:%S")


def rough_span(span_ns: int) -> str:
    """A duration for a status line: ``42 s``, ``7 min``, ``3 h 05 min``, ``2 d 4 h``."""
    seconds = max(0, span_ns) // _S
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{days} d {hours % 24} h"
