"""``Datapath``: what holds packets to rates. The loop knows this interface and nothing below it.

Two kinds can stand behind it: packets diverted through this process (``session``), or the kernel's own queues. One is
open only while somebody is limited (or about to be); it is opened by a ``DatapathFactory``, never reused after a
failure, and closing it lets every packet that waits go on its way. All calls come from one thread, the loop's.
Times are monotonic nanoseconds, rates bits per second at the IP layer, per application and direction.
"""

from collections.abc import Mapping
from typing import Protocol

from enforcer.qdisc.classifier import ClassStats, RateLimits
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.policy.applications import ProcessIdentity


class Datapath(Protocol):
    """See the module."""

    @property
    def opened(self) -> bool:
        """Whether it holds packets; False while it is still being opened, until the first rates are in force."""

    @property
    def in_force(self) -> bool:
        """Whether everybody who shall be held is held by now; False also while somebody is about to be."""

    @property
    def failed(self) -> str | None:
        """Why it let go by itself, in words for people; None while all is well. A failed one is only closed."""

    @property
    def present(self) -> frozenset[str]:
        """The applications that have sockets or flows now, as of the last ``refresh``."""

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """What is known of the applications met so far, by name."""

    def wait(self, seconds: float) -> bool:
        """Return after ``seconds``, or (True) as soon as a flow came that changes what is to be done."""

    def refresh(self, own: frozenset[int]) -> None:
        """See who has which flows now. ``own`` are this system's PIDs: never limited. Raises OSError."""

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        """Counters of every class in force: totals since the class was made; asking resets the worst waits."""

    def set_rates(self, rates: Mapping[str, RateLimits], *, ready: bool = False) -> None:
        """Hold exactly these applications to these rates from now on; everybody else is let go.

        ``ready``: somebody else may have to be held at any moment, so be prepared to catch new connections of anybody
        from their first packet, as far as that costs nobody else anything noticeable.

        Flows that exist are caught as soon as the datapath can (a tenth of a second); flows that come later belong to
        their application's class from the first packet where the system tells in time. Raises OSError or ValueError
        when that cannot be done; the loop then closes the datapath.
        """

    def set_max_packet_rate(self, rate: int | None) -> None:
        """Packets a second above which the datapath gives up; None: what this machine can do, as measured."""

    def take_notes(self) -> list[str]:
        """What happened since the last call that somebody should know, one line each."""

    def describe(self) -> EngineReport:
        """Figures for the ``limits`` document's ``engine`` key (JSON values); always with ``handles``: 0 when inert."""

    def close(self, reason: str) -> None:
        """Send what waits, take everything of ours out of the system. Safe to call twice and after a failure."""


class DatapathFactory(Protocol):
    """Opens one kind of datapath."""

    def available(self) -> str | None:
        """Why it cannot work on this machine now, or None."""

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> Datapath:
        """An open datapath that holds nobody yet. Raises OSError or ValueError; nothing is left behind then."""

    def tidy(self) -> None:
        """Take away what a process that died left in the system. Raises OSError."""
