"""Flow owners: a new flow of an application that is known already wakes nobody."""

import queue

from enforcer.datapath.flow_owners import FlowOwners
from enforcer.locked_processes import LockedProcesses
from qos.packets.divert import Drained, FlowEvent
from qos.system.clock import SYSTEM, monotonic_ns
from tests.enforcer.ports import until
from tests.enforcer.test_loop import OneProcess


class GivenEvents:
    """Flow events that the test gives."""

    def __init__(self) -> None:
        self.batches: queue.Queue[list[FlowEvent] | None] = queue.Queue()

    def recv(self, timeout_s: float | None = None) -> list[FlowEvent]:
        batch = self.batches.get(timeout=timeout_s)
        if batch is None:
            raise Drained
        return batch

    def shutdown_recv(self) -> None:
        self.batches.put(None)

    def close(self) -> None:
        pass


def established(port: int) -> FlowEvent:
    return FlowEvent(
        "established", 77, 6, 4, bytes((10, 0, 0, 1)), port, bytes((10, 0, 0, 2)), 443, port, monotonic_ns()
    )


def test_only_a_flow_that_matters_wakes_the_loop() -> None:
    events = GivenEvents()
    seen: list[int] = []
    known: set[str] = set()

    def on_flow(protocol: int, port: int, app: str) -> bool:
        seen.append(port)
        new = app not in known
        known.add(app)
        return new

    owners = FlowOwners(
        LockedProcesses(reader=OneProcess()),  # type: ignore[arg-type]  # family is a literal there
        SYSTEM,
        on_flow=on_flow,
        sockets=list,
        events=lambda: events,
    )
    owners.start()
    owners.settle()
    events.batches.put([established(4001)])
    until(owners.changed.is_set)
    owners.changed.clear()
    events.batches.put([established(port) for port in range(4002, 4302)])
    until(lambda: len(seen) == 301)
    assert not owners.changed.is_set()
    owners.stop()
