import logging
from itertools import pairwise

import pytest

from collector.capture import CaptureUnavailable
from collector.capture.runner import FIRST_RETRY_NS, LAST_RETRY_NS, Backend, BackendEvent, Opened
from qos.contract.errors import ConfigError
from tests.collector.capture.fake_capture import FakeCapture, delta

S = 10**9


class Opener:
    """Opens the captures it was given, one after the other; an exception among them is raised."""

    def __init__(self, *captures: FakeCapture | Exception) -> None:
        self.captures = list(captures)
        self.opened = 0

    def __call__(self) -> Opened:
        self.opened += 1
        first = self.captures.pop(0) if len(self.captures) > 1 else self.captures[0]
        if isinstance(first, Exception):
            raise first
        first.start()
        return Opened(first, f"{first.name}: works")


def test_a_backend_that_works_is_polled_and_released() -> None:
    capture = FakeCapture()
    backend = Backend(Opener(capture))
    assert backend.open(0)
    capture.moved(delta(5, 10))
    assert backend.poll(S).deltas == (delta(5, 10),)
    assert (backend.name, backend.reason, backend.blind_to) == ("fake", "fake: works", ("everything real",))
    assert backend.events() == (BackendEvent("fake", "fake: works"),)
    backend.stop()
    backend.stop()
    assert capture.stopped == 1


def test_one_that_breaks_is_replaced_at_once_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    broken, good = FakeCapture("kernel"), FakeCapture("sockdiag")
    backend = Backend(Opener(broken, good))
    backend.open(0)
    backend.events()
    broken.failure = RuntimeError("map gone")
    with caplog.at_level(logging.CRITICAL):
        assert backend.poll(S).deltas == ()
    assert broken.stopped == 1
    assert backend.name == "sockdiag"
    assert backend.events() == (
        BackendEvent("kernel", "failed: RuntimeError: map gone"),
        BackendEvent("sockdiag", "sockdiag: works"),
    )


def test_without_any_the_tick_goes_on_and_tries_come_ever_more_rarely() -> None:
    opener = Opener(CaptureUnavailable("needs root"))
    backend = Backend(opener)
    assert not backend.open(0)
    tries = []
    for second in range(600):
        before = opener.opened
        assert backend.poll(second * S).deltas == ()
        if opener.opened > before:
            tries.append(second)
    assert tries[0] == FIRST_RETRY_NS // S
    gaps = [b - a for a, b in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == LAST_RETRY_NS // S
    assert backend.events() == (BackendEvent("none", "needs root"),)
    assert backend.blind_to


def test_one_that_appears_later_is_taken() -> None:
    backend = Backend(Opener(CaptureUnavailable("busy"), FakeCapture()))
    backend.open(0)
    backend.poll(10 * S)
    assert backend.name == "fake"


def test_any_error_of_a_library_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        backend = Backend(Opener(OSError(5, "device gone")))
        assert not backend.open(0)
    assert "device gone" in backend.reason


def test_a_named_backend_that_cannot_run_is_the_users_to_correct_at_the_start_only() -> None:
    backend = Backend(Opener(ConfigError("collector.capture: kernel cannot run here")))
    with pytest.raises(ConfigError):
        backend.open(0, strict=True)
    assert not backend.open(0)
    assert "collector.capture" in backend.reason
