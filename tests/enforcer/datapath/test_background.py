"""Opening a datapath blocks nobody: the loop goes on, and what it wants meanwhile is in force as soon as it is open."""

import threading
from collections.abc import Mapping
from typing import Any

from enforcer.datapath.background import InBackground
from enforcer.datapath.interface import Datapath
from enforcer.qdisc.classifier import ClassStats, RateLimits
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.policy.applications import ProcessIdentity
from qos.system.clock import monotonic_ns
from tests.enforcer.ports import until


class Slow:
    """A factory, and its datapath, that opens when it is allowed to."""

    def __init__(self) -> None:
        self.may_open, self.asked = threading.Event(), threading.Event()
        self.error: OSError | None = None
        self.calls: list[Any] = []
        self.failed: str | None = None
        self.opened = self.in_force = True
        self.present: frozenset[str] = frozenset({"bulk"})
        self.identities: Mapping[str, ProcessIdentity] = {}
        self.notes: list[str] = []

    def available(self) -> str | None:
        return None

    def tidy(self) -> None:
        self.calls.append("tidy")

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> Datapath:
        self.asked.set()
        assert self.may_open.wait(10)
        if self.error is not None and not self.calls:
            raise self.error
        self.calls.append("open")
        return self

    def wait(self, seconds: float) -> bool:
        return False

    def refresh(self, own: frozenset[int]) -> None:
        self.calls.append(("refresh", own))

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        return {"bulk": {}}

    def set_rates(self, rates: Mapping[str, RateLimits], *, ready: bool = False) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append((dict(rates), ready))

    def set_max_packet_rate(self, rate: int | None) -> None:
        self.calls.append(rate)

    def take_notes(self) -> list[str]:
        found, self.notes = self.notes, []
        return found

    def describe(self) -> EngineReport:
        return EngineReport(handles=1)

    def close(self, reason: str) -> None:
        self.calls.append(reason)


NOBODY: frozenset[int] = frozenset()


def begun(slow: Slow) -> Datapath:
    return InBackground(slow).open(max_packet_rate=None, hold_off_ns=1, own=NOBODY)


def test_opening_returns_at_once_and_the_last_wish_is_in_force_when_it_is_open() -> None:
    slow = Slow()
    made = begun(slow)
    slow.asked.wait(10)
    made.set_rates({"bulk": RateLimits(1_000_000, None)})
    made.set_rates({"bulk": RateLimits(2_000_000, None)}, ready=True)
    assert not made.opened
    assert made.failed is None
    assert made.stats() == {}
    assert made.describe().handles == 0
    slow.may_open.set()
    until(lambda: ({"bulk": RateLimits(2_000_000, None)}, True) in slow.calls)
    assert ({"bulk": RateLimits(1_000_000, None)}, False) not in slow.calls
    until(lambda: made.opened)
    assert made.stats() == {"bulk": {}}
    assert made.present == {"bulk"}
    assert made.describe().handles == 1
    slow.notes = ["something"]
    made.refresh(frozenset({7}))
    until(lambda: ("refresh", frozenset({7})) in slow.calls)
    until(lambda: made.take_notes() == ["something"])
    made.set_max_packet_rate(9)
    until(lambda: 9 in slow.calls)
    made.close("enough")
    assert slow.calls[-1] == "enough"
    made.close("twice")
    assert slow.calls[-1] == "enough"


def test_a_wait_ends_when_it_is_open() -> None:
    slow = Slow()
    made = begun(slow)
    threading.Timer(0.05, slow.may_open.set).start()
    before = monotonic_ns()
    assert made.wait(10)
    assert monotonic_ns() - before < 5 * 10**9
    made.close("enough")


def test_what_cannot_be_opened_says_why() -> None:
    slow = Slow()
    slow.error = OSError(1, "Operation not permitted")
    slow.may_open.set()
    made = begun(slow)
    until(lambda: made.failed is not None)
    assert "a handle could not be opened" in str(made.failed)
    assert "Operation not permitted" in str(made.failed)
    made.close("over")
    assert "over" not in slow.calls


def test_rates_that_cannot_be_set_say_why() -> None:
    slow = Slow()
    slow.may_open.set()
    made = begun(slow)
    until(lambda: made.opened)
    slow.error = OSError(24, "Too many open files")
    made.set_rates({})
    until(lambda: made.failed is not None)
    assert "Too many open files" in str(made.failed)
    made.close("over")
    assert slow.calls[-1] == "over"


def test_what_is_closed_while_it_opens_is_closed_when_it_is_open() -> None:
    slow = Slow()
    made = begun(slow)
    slow.asked.wait(10)
    threading.Timer(0.1, slow.may_open.set).start()
    made.close("stopped")
    until(lambda: "stopped" in slow.calls)


def test_a_second_application_is_about_to_be_held_while_the_first_is() -> None:
    """The state said "opening" again whenever somebody joined."""
    slow = Slow()
    slow.may_open.set()
    made = begun(slow)
    made.set_rates({"bulk": RateLimits(1_000_000, None)})
    until(lambda: made.in_force and made.opened)
    changing, go = threading.Event(), threading.Event()

    def refresh(own: frozenset[int]) -> None:
        changing.set()
        assert go.wait(10)

    slow.refresh = refresh  # type: ignore[method-assign]
    made.set_rates({"bulk": RateLimits(1_000_000, None), "other": RateLimits(1_000_000, None)})
    assert changing.wait(10)
    assert made.opened
    assert not made.in_force
    go.set()
    until(lambda: made.in_force)
    made.close("enough")
