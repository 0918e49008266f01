"""The driver is stopped only when it says that nobody has a handle open, over the fake written from its source."""

import pytest

from qos.packets.divert.driver_windows import handle_owners, unregister
from qos.packets.divert.handles_windows import Injector
from tests.qos.packets.divert.fake_windivert import OURSELVES, FakeWinDivert


@pytest.fixture
def driver() -> FakeWinDivert:
    made = FakeWinDivert()
    made.loaded = True
    return made


def stops(driver: FakeWinDivert) -> int:
    stopped: list[int] = []
    unregister(driver, lambda: stopped.append(1))
    return len(stopped)


def test_a_driver_that_another_program_uses_is_left_alone(driver: FakeWinDivert) -> None:
    driver.foreign = [900]
    assert handle_owners(driver) == (900,)
    assert stops(driver) == 0


def test_a_driver_that_we_use_ourselves_is_left_alone(driver: FakeWinDivert) -> None:
    injector = Injector(lib=driver)
    assert handle_owners(driver) == (OURSELVES,)
    assert stops(driver) == 0
    injector.close()
    assert stops(driver) == 1


def test_a_driver_that_nobody_uses_is_stopped_and_our_listing_is_closed_before(driver: FakeWinDivert) -> None:
    assert stops(driver) == 1
    assert driver.closed == [1]
    assert driver.opened == [("true", "reflect", 0, 0x01 | 0x04 | 0x10)], "a listing never loads the driver"


def test_a_driver_that_is_not_loaded_is_not_stopped() -> None:
    driver = FakeWinDivert()
    assert handle_owners(driver) is None
    assert stops(driver) == 0


def test_a_listing_that_does_not_end_stops_nothing(driver: FakeWinDivert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qos.packets.divert.driver_windows._LISTING_S", 0.1)
    driver.silent = True
    assert stops(driver) == 0
    driver.queues[1].put(None)  # let the listing's thread end
