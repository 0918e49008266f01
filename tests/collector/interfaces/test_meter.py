import pytest

from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.meter import InterfaceMeter
from collector.interfaces.selection import Interface, Nature

S = 10**9


class FakeSystem:
    """Interfaces that a test adds, moves traffic on and removes."""

    def __init__(self) -> None:
        self.interfaces: dict[str, Interface] = {}
        self.failure: OSError | None = None

    def __call__(self) -> tuple[Interface, ...]:
        if self.failure:
            raise self.failure
        return tuple(self.interfaces.values())

    def set(self, name: str, index: int, rx_bytes: int, rx_packets: int, nature: Nature = "physical") -> None:
        counters = InterfaceCounters(rx_bytes=rx_bytes, rx_packets=rx_packets)
        self.interfaces[name] = Interface(name, index, nature, 14, counters)


@pytest.fixture
def system() -> FakeSystem:
    found = FakeSystem()
    found.set("eth0", 2, 1_000_000, 1_000)
    return found


def moved(meter: InterfaceMeter, now_s: int) -> dict[str, int]:
    return {d.name: d.moved.rx_bytes for d in meter.look(now_s * S)}


def test_the_first_look_is_a_baseline_and_the_next_ones_are_ip_bytes(system: FakeSystem) -> None:
    meter = InterfaceMeter(["*"], system)
    assert moved(meter, 0) == {"eth0": 0}
    system.set("eth0", 2, 1_015_140, 1_010)
    assert moved(meter, 1) == {"eth0": 15_000}
    assert moved(meter, 2) == {"eth0": 0}


def test_an_interface_that_appears_counts_from_its_birth_only_when_it_is_plainly_new(system: FakeSystem) -> None:
    meter = InterfaceMeter(["*"], system)
    moved(meter, 0)
    system.set("tun0", 7, 5_140, 10, "tunnel")
    system.set("eth1", 1, 9_000_000, 10)  # an older index: it came from elsewhere with old counters
    assert moved(meter, 1) == {"eth0": 0, "tun0": 5_000, "eth1": 0}


def test_an_interface_that_vanishes_and_returns_is_not_counted_twice(system: FakeSystem) -> None:
    meter = InterfaceMeter(["*"], system)
    moved(meter, 0)
    gone = system.interfaces.pop("eth0")
    assert moved(meter, 1) == {}
    system.interfaces["eth0"] = gone
    assert moved(meter, 2) == {"eth0": 0}


def test_after_a_rebase_what_passed_meanwhile_is_not_traffic(system: FakeSystem) -> None:
    meter = InterfaceMeter(["*"], system)
    moved(meter, 0)
    system.set("eth0", 2, 99_000_000, 99_000)
    meter.rebase()
    assert moved(meter, 1) == {"eth0": 0}


def test_another_choice_of_interfaces_makes_no_jump(system: FakeSystem) -> None:
    system.set("wg0", 3, 5_000, 5, "tunnel")
    meter = InterfaceMeter(["eth0"], system)
    moved(meter, 0)
    system.set("wg0", 3, 6_000, 5, "tunnel")
    meter.watch(["wg0"])
    assert moved(meter, 1) == {"wg0": 1_000}


def test_a_system_that_does_not_answer_is_the_callers_to_handle(system: FakeSystem) -> None:
    system.failure = OSError("no netlink")
    with pytest.raises(OSError, match="no netlink"):
        InterfaceMeter(["*"], system).look(0)
