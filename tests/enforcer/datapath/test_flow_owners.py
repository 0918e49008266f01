"""Flow owners: a new flow of an application that is known already wakes nobody."""

import queue
import threading
from collections.abc import Callable

from enforcer.datapath.flow_owners import FlowOwners
from enforcer.locked_processes import LockedProcesses
from qos.packets.divert import Drained, FlowEvent
from qos.packets.flows import SocketRow
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


def established(port: int, pid: int = 77) -> FlowEvent:
    return FlowEvent(
        "established", pid, 6, 4, bytes((10, 0, 0, 1)), port, bytes((10, 0, 0, 2)), 443, port, monotonic_ns()
    )


def started(
    events: GivenEvents, on_flow: Callable[[int, int, str], bool], network: Callable[[int | None], int | None]
) -> FlowOwners:
    """Owners that watch the given events, with an empty socket table."""
    owners = FlowOwners(
        LockedProcesses(reader=OneProcess()),  # type: ignore[arg-type]  # family is a literal there
        SYSTEM,
        on_flow=on_flow,
        sockets=list,
        events=lambda: events,
        network=network,
    )
    owners.start()
    owners.settle()
    return owners


def test_only_a_flow_that_matters_wakes_the_loop() -> None:
    events = GivenEvents()
    seen: list[int] = []
    known: set[str] = set()

    def on_flow(protocol: int, port: int, app: str) -> bool:
        seen.append(port)
        new = app not in known
        known.add(app)
        return new

    owners = started(events, on_flow, lambda _: 1)
    events.batches.put([established(4001)])
    until(owners.changed.is_set)
    owners.changed.clear()
    events.batches.put([established(port) for port in range(4002, 4302)])
    until(lambda: len(seen) == 301)
    assert not owners.changed.is_set()
    owners.stop()


def test_owners_are_known_before_the_events_are_open_and_nothing_falls_between() -> None:
    """Opening the events takes a third of a second, and more than one on a busy machine: a download does not wait."""
    may_open, events = threading.Event(), GivenEvents()
    ports = [4001]

    def slowly() -> GivenEvents:
        assert may_open.wait(10)
        return events

    owners = FlowOwners(
        LockedProcesses(reader=OneProcess()),  # type: ignore[arg-type]  # family is a literal there
        SYSTEM,
        on_flow=lambda *_: True,
        sockets=lambda: [SocketRow(6, 4, b"\x0a\0\0\1", port, 77) for port in ports],
        events=slowly,
    )
    owners.start()
    owners.settle()
    assert owners.owners() == {("tcp", 4001): {"bulk"}}
    ports.append(4002)

    def found() -> bool:
        owners.refresh()
        return ("tcp", 4002) in owners.owners()

    until(found)
    ports.append(4003)
    may_open.set()
    until(lambda: ("tcp", 4003) in owners.owners())  # without another refresh: the table is read when they are open
    owners.stop()


def test_a_container_of_the_same_program_has_none_of_our_ports() -> None:
    """The events tell of all network namespaces: its downloads, routed through this computer, were held."""
    events, seen = GivenEvents(), list[int]()

    def on_flow(protocol: int, port: int, app: str) -> bool:
        seen.append(port)
        return False

    owners = started(events, on_flow, {None: 1, 77: 1, 78: 2}.get)
    events.batches.put([established(4001, pid=78), established(4002), established(4003, pid=79)])
    until(lambda: len(seen) == 2)
    assert seen == [4002, 4003]  # one that is gone may have been ours
    assert set(owners.owners()) == {("tcp", 4002), ("tcp", 4003)}
    owners.stop()
