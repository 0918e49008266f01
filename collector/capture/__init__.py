"""Capture backends: how many bytes which process moved, each way to know it in a file of its own.

A backend yields deltas since the last poll and says what it lost and what it cannot see. It knows nothing of points,
stores or ticks. ``choose.py`` takes the first that works and says why.
"""

from dataclasses import dataclass, field
from typing import Protocol


class CaptureUnavailable(Exception):  # noqa: N818 - named for the state: this backend cannot run here, and why
    """This backend cannot run here; the message says why and what would change it, in one line."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a flow belongs to. ``started_ns`` tells a reused PID apart; 0 when it was never learned."""

    pid: int
    started_ns: int = 0
    name: str = ""
    """The executable's name as far as the backend saw it (a short-lived process may be gone by the tick)."""
    exe: str = ""
    """Full path of the executable when it was still readable, for rules that match a path. Never a tag."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What one flow, or all the flows of one owner, moved since the last poll. Bytes at the IP layer."""

    owner: Owner | None
    """None: seen but nobody could be named; it goes to ``unattributed``."""
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    flows: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One poll's answer."""

    deltas: tuple[Delta, ...]
    lost: int = 0
    """Packets (or flows) that the backend knows it missed since the last poll."""
    notes: tuple[str, ...] = field(default=())
    """What the user should know now: each line once, such as a fallback or an overflow."""
    late_ns: int = 0
    """How long after the interface counted them bytes may be named; 0: within a tick."""


class Capture(Protocol):
    """One way to count bytes per process. ``poll`` is called once a tick from one thread and never blocks for long."""

    name: str
    """As in ``collector.capture`` of the settings."""
    blind_to: tuple[str, ...]
    """What this backend cannot see, in the words that every view shows."""

    def start(self) -> None:
        """Begin counting. Raises CaptureUnavailable."""

    def poll(self) -> Sample:
        """The deltas since the last poll (or start)."""

    def stop(self) -> None:
        """Release everything; nothing stays behind in the system. Safe to call twice."""
