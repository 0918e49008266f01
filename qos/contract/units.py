"""Human units, parsed strictly and printed back: durations, rates (bits per second) and sizes (bytes).

``1s``, ``500ms``, ``7d`` · ``20mbit``, ``64kbit`` · ``2GB``, ``512MiB``. Bit rates are decimal as everywhere in
networking; sizes are decimal with ``kB/MB/GB`` and binary with ``KiB/MiB/GiB``. A bare number is refused: a unit left
out is the commonest mistake in such files.
"""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

_NUMBER: Final = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*$")

_MAX: Final = 2**63 - 1

_DURATION_NS: Final = {
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
    "y": 365 * 86400 * 10**9,
}
_RATE_BPS: Final = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZE_BYTES: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def _parse(text: object, units: dict[str, int], what: str, example: str) -> int:
    if isinstance(text, str) and (match := _NUMBER.match(text)) and (scale := units.get(match[2].lower())):
        # Decimal digits scaled as integers: 0.1s is exactly 100,000,000 ns.
        whole, _, fraction = match[1].partition(".")
        value = int(whole) * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
        if value > _MAX:
            raise ValueError(f"{text!r} is too large for a {what}")
        return value
    shown = "nothing" if text is None else repr(text)
    raise ValueError(f"{shown} is not a {what}: write a number with a unit, such as {example}")


def parse_duration_ns(text: object) -> int:
    """``"1s"`` → nanoseconds. Raises ValueError for anything but digits with one of ms, s, m, min, h, d, w, y."""
    return _parse(text, _DURATION_NS, "duration", "500ms, 1s, 5m, 2h or 7d")


def parse_rate_bps(text: object) -> int:
    """``"20mbit"`` → bits per second. Raises ValueError for anything but digits with bit, kbit, mbit or gbit."""
    return _parse(text, _RATE_BPS, "rate", "64kbit, 20mbit or 1gbit")


def parse_size_bytes(text: object) -> int:
    """``"2GB"`` → bytes. Raises ValueError for anything but digits with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB."""
    return _parse(text, _SIZE_BYTES, "size", "500MB, 2GB or 512MiB")


def _validator(parse: Any) -> BeforeValidator:
    # A value that is already an integer comes from our own defaults, never from YAML: the loader hands over text.
    return BeforeValidator(lambda value: value.value if isinstance(value, Parsed) else parse(value))


class Parsed:
    """A default already in base units, so that defaults pass through the same validator as text."""

    def __init__(self, value: int) -> None:
        self.value = value


Duration = Annotated[int, _validator(parse_duration_ns)]
Rate = Annotated[int, _validator(parse_rate_bps)]
Size = Annotated[int, _validator(parse_size_bytes)]


def format_bytes(value: float) -> str:
    """Bytes for people, decimal: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def format_bps(value: float) -> str:
    """Bits per second for people, decimal: ``1.2 Mbit/s``."""
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "bit/s" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} Gbit/s"


def format_duration(value_ns: int) -> str:
    """Nanoseconds for people, the largest unit that divides it: ``2h``, ``90s``."""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if value_ns % _DURATION_NS[unit] == 0 and value_ns >= _DURATION_NS[unit]:
            return f"{value_ns // _DURATION_NS[unit]}{unit}"
    return f"{value_ns / 1e9:g}s"
