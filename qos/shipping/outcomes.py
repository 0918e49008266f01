"""What became of one write, typed by what to do next. Pure: a status code and a text in, an outcome out.

The cases follow InfluxDB's documented answers and those that a real 2.9.1 gave (docs/decisions/0031): a batch with a
bad line is refused whole with 400, or kept except for ``dropped=N`` points with 422 ("partial write").
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

_DROPPED: Final = re.compile(r"\bdropped=(\d+)")
_LONGEST_WAIT_S: Final = 3600.0
_LONGEST_REASON: Final = 300
_END: Final = 100


@dataclass(frozen=True, slots=True)
class Ok:
    """Every line is kept."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Wait and send again. ``after_s`` is what the server asked for; ``lost_contact`` that it may have died.

    Without ``lost_contact`` the server is there and has too much to do.
    """

    reason: str
    after_s: float | None = None
    lost_contact: bool = True


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Send less at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class BadLines:
    """Some lines cannot be kept. ``dropped`` is how many; the others were then kept. None: nothing was kept."""

    reason: str
    dropped: int | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """A person must act: a wrong token, organisation, bucket or address. Keep everything, try again slowly."""

    reason: str


WriteOutcome = Ok | Retry | TooLarge | BadLines | Denied


def outcome_of(status: int, body: str, headers: Mapping[str, str], now_s: float) -> WriteOutcome:
    """The outcome of an HTTP answer. ``now_s`` (UTC, seconds) turns a date in ``Retry-After`` into a wait."""
    if 200 <= status <= 299:
        return Ok()
    reason = _reason(status, body)
    if status == 413:
        return TooLarge(reason)
    if status in (400, 422):
        match = _DROPPED.search(body) if "partial write" in body else None
        return BadLines(reason, int(match[1]) if match else None)
    if status in (408, 429) or status >= 500:
        # "unexpected error writing points to database: timeout": the server is busy (for more than its
        # storage-write-timeout, 10 s), and mostly still does what it refused.
        busy = status in (408, 429) or (status == 500 and reason.endswith(": timeout"))
        return Retry(reason, _wait_s(headers, now_s), lost_contact=not busy)
    if 300 <= status <= 399:
        return Denied(f"{reason}: the address answers with a redirect to {headers.get('Location', 'elsewhere')}")
    return Denied(reason)


def _reason(status: int, body: str) -> str:
    message = body.strip()
    try:
        document = json.loads(body)
        if isinstance(document, dict):
            message = str(document.get("message") or document.get("error") or message)
    except ValueError:
        pass
    message = " ".join(message.split())
    text = f"{status} {message}".strip()
    if len(text) <= _LONGEST_REASON:
        return text
    # The cause stands at the end: "… write /long/path: no space left on device".
    return f"{text[: _LONGEST_REASON - _END - 3]} … {text[-_END:]}"


def _wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """RFC 9110 section 10.2.3: seconds or a date."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now_s
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if seconds == seconds else None  # noqa: PLR0124 - NaN
