"""The control loop's surroundings: when it runs, what it is told, and the fast probes that it needs."""

from collections.abc import Mapping
from typing import Any

from enforcer.allocation import congestion as control
from enforcer.allocation.planner import SHAPEABLE_LEVELS, Usage
from enforcer.fast_probes import Probes
from qos.contract.direction import DIRECTIONS, Direction
from qos.policy.policy import Decision
from qos.system.clock import Clock


class Steering:
    """Probes only while a shapeable application is busy; forgets everything when it is switched off."""

    def __init__(self, clock: Clock) -> None:
        self._probes = Probes(clock)
        self._state = control.State()

    @property
    def budgets(self) -> dict[Direction, int]:
        """What latency allows all shapeable applications together, bits per second; only held directions."""
        return {direction: budget.bps for direction, budget in self._state.budgets.items()}

    def turn(
        self, now_ns: int, targets: tuple[str, ...], decisions: Mapping[str, Decision], usage: Mapping[str, Usage]
    ) -> str:
        """One turn; no ``targets``: it is off. Returns why a direction began or ceased to be held, or nothing."""
        if not targets:
            if self._state.reflectors or self._state.budgets:
                self._state = control.State()
            self._probes.run(())
            return ""
        loads: dict[Direction, control.Load] = {}
        for direction in DIRECTIONS:
            moved = sum(
                usage[app].bps(direction)
                for app, decision in decisions.items()
                if decision.priority in SHAPEABLE_LEVELS and app in usage
            )
            loads[direction] = control.Load(moved, moved >= control.MIN_BUDGET_BPS)
        busy = bool(self._state.budgets) or any(load.busy for load in loads.values())
        self._probes.run(targets if busy else ())
        before = self._state.budgets.keys()
        self._state = control.step(self._state, now_ns, self._probes.take(), loads)
        return self._state.reason if before != self._state.budgets.keys() else ""

    def describe(self) -> dict[str, Any]:
        """For the ``limits`` document."""
        return {"budgets_bps": dict(self.budgets), "reason": self._state.reason}

    def close(self) -> None:
        """Stop probing."""
        self._probes.close()
