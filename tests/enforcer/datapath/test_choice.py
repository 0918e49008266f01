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
        why: Any = self.tools
        return why if isinstance(why, str) else None

    def open(self, **_: Any) -> Any:
        return "divert", self.because

    def tidy(self) -> None:
        return None


class Kernel:
    """A kernel that can, or says why not when it is asked to open."""

    def __init__(self, why_not: str | None = None, lacks: str | None = None) -> None:
        self.why_not, self.lacks, self.tidied, self.asked = why_not, lacks, 0, 0

    def available(self) -> str | None:
        return self.lacks

    def open(self, **_: Any) -> Any:
        self.asked += 1
        if self.why_not is not None:
            raise OSError(95, self.why_not)
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


def test_nothing_is_tried_before_somebody_has_to_be_held() -> None:
    kernel = Kernel()
    assert DatapathChoice(Divert(), kernel).available() is None
    assert kernel.asked == 0


def test_a_kernel_that_is_asked_for_and_cannot_is_no_reason_to_divert() -> None:
    with pytest.raises(OSError, match="no tcx"):
        opened(DatapathChoice(Divert(), Kernel("no tcx"), "kernel"))


def test_a_kernel_that_refused_once_may_serve_the_next_time() -> None:
    kernel = Kernel("no memory")
    choice = DatapathChoice(Divert(), kernel)
    assert opened(choice) == ("divert", "no memory")
    kernel.why_not = None
    assert opened(choice) == ("kernel", None)


def test_where_neither_can_both_reasons_are_said() -> None:
    choice = DatapathChoice(Divert("start it with sudo"), Kernel("no tcx"))
    assert choice.available() is None
    with pytest.raises(OSError, match=r"start it with sudo; the kernel's queues: no tcx"):
        opened(choice)
    assert choice.available() == "start it with sudo"


def test_a_kernel_that_names_what_it_lacks_is_not_tried() -> None:
    kernel = Kernel(lacks="Linux 6.1 has no tcx hooks")
    choice = DatapathChoice(Divert(), kernel)
    assert choice.available() is None
    assert opened(choice) == ("divert", "Linux 6.1 has no tcx hooks")
    assert kernel.asked == 0
    assert DatapathChoice(Divert("no tc"), kernel).available() == "no tc"
    only = DatapathChoice(Divert(), kernel, "kernel")
    assert only.available() == "Linux 6.1 has no tcx hooks"
    with pytest.raises(OSError, match="no tcx hooks"):
        opened(only)


def test_a_system_without_such_queues_diverts() -> None:
    choice = DatapathChoice(Divert(), None)
    assert choice.available() is None
    assert opened(choice)[0] == "divert"
