"""Which datapath serves, and why not the other."""

from typing import Any

import pytest

from enforcer.datapath.choice import DatapathChoice, Wanted
from enforcer.datapath.session import DivertDatapath


class Divert(DivertDatapath):
    """Opens nothing: it says what it was asked."""

    def __init__(self, tools: Any = None, because: str | None = None) -> None:
        super().__init__(tools, because)

    def available(self) -> str | None:
        return None

    def open(self, **_: Any) -> Any:
        return "divert", self.because

    def tidy(self) -> None:
        return None


class Kernel:
    """A kernel that can, or says why not."""

    def __init__(self, why_not: str | None = None) -> None:
        self.why_not, self.tidied = why_not, 0

    def available(self) -> str | None:
        return self.why_not

    def open(self, **_: Any) -> Any:
        assert self.why_not is None
        return "kernel", None

    def tidy(self) -> None:
        self.tidied += 1


def opened(choice: DatapathChoice) -> Any:
    return choice.open(max_packet_rate=None, hold_off_ns=0, own=frozenset())


@pytest.mark.parametrize(
    ("wanted", "why_not", "serves"),
    [
        ("auto", None, ("kernel", None)),
        ("auto", "no tcx", ("divert", "no tcx")),
        ("kernel", None, ("kernel", None)),
        ("divert", None, ("divert", "enforcer.datapath is divert")),
    ],
)
def test_the_kernel_serves_where_it_can_and_is_wanted(wanted: Wanted, why_not: str | None, serves: Any) -> None:
    kernel = Kernel(why_not)
    choice = DatapathChoice(Divert(), kernel, wanted)
    assert choice.available() is None
    assert opened(choice) == serves
    choice.tidy()
    assert kernel.tidied == 1


def test_a_kernel_that_is_asked_for_and_cannot_is_no_reason_to_divert() -> None:
    assert DatapathChoice(Divert(), Kernel("no tcx"), "kernel").available() == "no tcx"


def test_a_system_without_such_queues_diverts() -> None:
    choice = DatapathChoice(Divert(), None)
    assert choice.available() is None
    assert opened(choice)[0] == "divert"
