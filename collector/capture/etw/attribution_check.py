"""Is what the events say true on this machine? Windows of evidence in, a judgement out. Pure.

Five questions, each with numbers that the system keeps apart from the events: how many events were lost; do the
datagrams add up to the system's own count; does the estimated sum per direction fit the interfaces; does a process
move what its own counter says (Windows 11 24H2); and is what is missing explained by traffic that this computer only
forwards. A window without enough traffic says nothing. Three bad windows in a row make the attribution doubtful, one
good window ends that. No application's bytes are ever scaled to fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MIN_BYTES: Final = 5_000_000
MIN_DATAGRAMS: Final = 1_000
MIN_PROCESS_BYTES: Final = 1_000_000
LOW_RATIO: Final = 0.90
HIGH_RATIO: Final = 1.05
DATAGRAM_TOLERANCE: Final = 0.01
PROCESS_TOLERANCE: Final = 0.10
LOST_NOTED: Final = 0.001
LOST_BAD: Final = 0.01
BAD_WINDOWS: Final = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """One window, some ten seconds. Byte sums at the IP layer; None where the system keeps no such number."""

    events: int
    lost: int
    estimated_rx: int
    estimated_tx: int
    interface_rx: int | None = None
    interface_tx: int | None = None
    datagrams: int = 0
    system_datagrams: int | None = None
    forwarded: int = 0
    """Datagrams that the system passed on for others."""
    process_payload: Mapping[int, int] = field(default_factory=dict)
    """Payload bytes by process, both directions, loopback included."""
    process_counters: Mapping[int, int] = field(default_factory=dict)
    """The same by the system's counter of each process."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one window says."""

    faults: tuple[str, ...]
    """Why it is bad; empty when it is good or says nothing."""
    remarks: tuple[str, ...]
    """What should be known without being a fault."""
    tested: bool
    """Whether there was enough traffic to say anything."""


def judge(evidence: Evidence) -> Judgement:
    """One window's judgement."""
    faults: list[str] = []
    remarks: list[str] = []
    tested = False
    seen = evidence.events + evidence.lost
    if seen and evidence.lost / seen > LOST_BAD:
        faults.append(f"{evidence.lost} of {seen} events were lost")
        tested = True
    elif seen and evidence.lost / seen > LOST_NOTED:
        remarks.append(f"{evidence.lost} of {seen} events were lost")
    for direction, estimated, counted in (
        ("received", evidence.estimated_rx, evidence.interface_rx),
        ("sent", evidence.estimated_tx, evidence.interface_tx),
    ):
        if counted is None or max(counted, estimated) < MIN_BYTES:
            continue
        tested = True
        if counted <= 0 or estimated / counted > HIGH_RATIO:
            faults.append(f"applications {direction} {_mb(estimated)}, the interfaces only {_mb(counted)}")
        elif estimated / counted < LOW_RATIO:
            missing = f"applications {direction} {_mb(estimated)} of the interfaces' {_mb(counted)}"
            if evidence.forwarded:
                remarks.append(f"{missing}: this computer forwards for others (WSL, Hyper-V, hotspot)")
            else:
                faults.append(missing)
    system = evidence.system_datagrams
    if system is not None and max(system, evidence.datagrams) >= MIN_DATAGRAMS:
        tested = True
        if abs(evidence.datagrams - system) > DATAGRAM_TOLERANCE * system:
            remarks.append(f"{evidence.datagrams} datagrams in events, {system} by the system's count")
    for pid, counter in evidence.process_counters.items():
        payload = evidence.process_payload.get(pid, 0)
        if max(payload, counter) < MIN_PROCESS_BYTES:
            continue
        tested = True
        if abs(payload - counter) > PROCESS_TOLERANCE * max(payload, counter):
            remarks.append(f"process {pid}: {_mb(payload)} in events, {_mb(counter)} by its own counter")
    return Judgement(tuple(faults), tuple(remarks), tested)


class AttributionCheck:
    """Judgements in a row."""

    def __init__(self) -> None:
        self._bad = 0
        self._why = ""

    @property
    def doubtful(self) -> str:
        """Why the attribution is doubtful; empty while it is not."""
        return self._why if self._bad >= BAD_WINDOWS else ""

    def take(self, judgement: Judgement) -> None:
        """The next window. One that says nothing changes nothing."""
        if judgement.faults:
            self._bad += 1
            self._why = "; ".join(judgement.faults)
        elif judgement.tested:
            self._bad = 0


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
