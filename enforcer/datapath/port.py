"""The packet port: how the engine takes packets out of the system and puts them back (``qos.packets.divert``).

A fake that satisfies these protocols runs the engine without a kernel (tests/enforcer).
"""

from collections.abc import Sequence
from typing import Protocol

from qos.packets.divert import DIVERT_PRIORITY, INJECT_PRIORITY, Diverter, Injector, RawPacket


class Receiver(Protocol):
    """One filter's packets, taken out of the system until it is shut down."""

    def recv(self, timeout_s: float | None = None) -> list[RawPacket]:
        """At least one packet (or none after ``timeout_s``); raises ``qos.packets.divert.Drained`` after the last."""

    def drain(self) -> list[RawPacket]:
        """Shut down and return what is still queued."""

    def lost(self) -> int:
        """Packets that the system's queue could not hold, so far; 0 where nobody counts."""

    def shutdown_recv(self) -> None:
        """Take no more; what is queued can still be received."""

    def close(self) -> None:
        """Free it, with everything still queued. Safe to call twice."""


class Sender(Protocol):
    """Puts packets back. One thread at a time."""

    def send(self, packets: Sequence[RawPacket]) -> int:
        """How many went out."""

    def close(self) -> None:
        """Safe to call twice."""


class PacketPort(Protocol):
    """Opens both kinds. Raises OSError or ValueError when that cannot be."""

    def receiver(self, text: str) -> Receiver:
        """A receiver for what the filter ``text`` lets through."""

    def sender(self) -> Sender:
        """The sender; it is opened before the first receiver and closed after the last."""


class DivertPort:
    """The machine's own packets. Receivers share one priority, senders are below it: see ``qos.packets.divert``."""

    def receiver(self, text: str) -> Receiver:
        """Takes packets out of the system's stack."""
        return Diverter(text, priority=DIVERT_PRIORITY)

    def sender(self) -> Sender:
        """Puts them back where they were taken."""
        return Injector(priority=INJECT_PRIORITY)
