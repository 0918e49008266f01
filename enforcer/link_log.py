"""What is written of the learned line: ``link_estimate`` rows, and the document that survives restarts. Pure."""

from typing import Final

from enforcer.allocation.line_state import State
from qos.contract.direction import DIRECTIONS, Direction
from qos.contract.documents.link_estimates import LinkEstimates
from qos.contract.points import LinkEstimate, Point

_S: Final = 10**9
EVERY_NS: Final = 60 * _S
LEAST_NS: Final = 2 * _S
KEEP_NS: Final = 10 * _S
CHANGE_PERCENT: Final = 5


class LinkLog:
    """Remembers what was written last."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._written: dict[Direction, tuple[int, int, str]] = {}
        self._kept = LinkEstimates()
        self._kept_ns = -KEEP_NS

    def points(self, now_ns: int, wall_ns: int, state: State) -> list[Point]:
        """The rows that are due: once a minute, and when the capacity or what is done about it changed."""
        rows: list[Point] = []
        for direction in DIRECTIONS:
            line = state.lines[direction]
            if line.capacity is None:
                continue
            then_ns, bps, phase = self._written.get(direction, (-EVERY_NS, 0, ""))
            moved = abs(line.capacity.bps - bps) * 100 > bps * CHANGE_PERCENT
            since_ns = now_ns - then_ns
            if since_ns < EVERY_NS and not (moved and since_ns >= LEAST_NS) and phase != "":
                continue
            self._written[direction] = (now_ns, line.capacity.bps, line.phase)
            rows.append(
                LinkEstimate(
                    time_ns=wall_ns,
                    host=self._host,
                    direction=direction,
                    capacity_bps=line.capacity.bps,
                    budget_bps=line.budget_bps,
                    confidence=line.capacity.confidence_now(now_ns),
                    age_s=line.capacity.age_s(now_ns),
                    state=line.phase,
                )
            )
        return rows

    def document(self, now_ns: int, estimates: LinkEstimates) -> LinkEstimates | None:
        """What is to be kept now; None when nothing changed that matters, or something was kept a moment ago."""
        if estimates == self._kept or now_ns - self._kept_ns < KEEP_NS:
            return None
        self._kept, self._kept_ns = estimates, now_ns
        return estimates
