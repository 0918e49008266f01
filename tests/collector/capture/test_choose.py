"""The first backend that works, and the reasons of those that do not."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from collector.capture.choose import BACKENDS, choose
from qos.contract.config import parse_config
from qos.contract.errors import ConfigError
from tests import require
from tests.collector.capture.fake_capture import FakeCapture

ROOT = Path(__file__).parents[3]


def backends(**refusals: str) -> dict[str, Callable[[Sequence[str] | None], FakeCapture]]:
    """Every backend by name, made by hand; ``name="why"`` makes one refuse."""

    def build(name: str) -> Callable[[Sequence[str] | None], FakeCapture]:
        return lambda interfaces: FakeCapture(name, refuses=refusals.get(name, ""))

    return {name: build(name) for name in BACKENDS}


AUTO = parse_config("collector:\n  allow_driver: true\n")
FIRST, SECOND = ("kernel", "divert") if sys.platform == "linux" else ("etw", "divert")


@pytest.mark.skipif(sys.platform not in ("linux", "win32"), reason="there is one backend alone here")
def test_auto_takes_the_first_and_says_so() -> None:
    capture, reason = choose(AUTO, backends())
    assert capture.name == FIRST
    assert reason == f"{FIRST}: the first choice, and it works"
    assert isinstance(capture, FakeCapture)
    assert capture.started == 1


@pytest.mark.skipif(sys.platform not in ("linux", "win32"), reason="there is one backend alone here")
def test_auto_goes_on_to_the_next_and_says_what_stood_in_the_way() -> None:
    capture, reason = choose(AUTO, backends(**{FIRST: "needs root: run it with sudo"}))
    assert capture.name == SECOND
    assert reason == f"{SECOND}: not {FIRST} (needs root: run it with sudo)"


def test_what_the_config_names_is_taken() -> None:
    capture, reason = choose(parse_config("collector:\n  capture: psutil\n"), backends())
    assert (capture.name, reason) == ("psutil", "psutil: set by collector.capture")


def test_what_the_config_names_and_cannot_run_is_one_line_for_the_user() -> None:
    with pytest.raises(ConfigError) as caught:
        choose(parse_config("collector:\n  capture: divert\n"), backends(divert="pydivert needs an administrator"))
    assert caught.value.lines == (
        "collector.capture: divert cannot run here: pydivert needs an administrator; or set it to auto",
    )


def test_when_nothing_runs_every_reason_is_given() -> None:
    with pytest.raises(ConfigError, match=r"nothing can run here: .*psutil \(d\)"):
        choose(AUTO, backends(**(dict.fromkeys(BACKENDS, "x") | {"psutil": "d"})))


def test_interfaces_reach_the_backend_and_a_star_is_no_restriction() -> None:
    seen: list[Sequence[str] | None] = []

    def build(interfaces: Sequence[str] | None) -> FakeCapture:
        seen.append(interfaces)
        return FakeCapture()

    for text in ("interfaces: ['*']", "interfaces: [eth0, 'wl*']"):
        choose(parse_config(f"collector:\n  capture: psutil\n  {text}\n"), {"psutil": build})
    assert seen == [None, ("eth0", "wl*")]


@pytest.mark.skipif(sys.platform != "linux", reason="the other systems have no such fall-back")
def test_without_root_it_is_sock_diag_and_both_refusals_name_the_privilege() -> None:
    require.linux_root()  # to become nobody, one must be somebody
    text = (
        "import os\n"
        "import collector.capture.divert.backend, collector.capture.kernel.backend\n"
        "import collector.capture.sockdiag.backend\n"
        "from collector.capture.choose import choose\n"
        "from qos.contract.config import parse_config\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "c, why = choose(parse_config('')); print(c.name); print(why); c.stop()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=env, timeout=60)
    name, _, why = done.stdout.strip().partition("\n")
    assert name == "sockdiag", done
    assert why.startswith("sockdiag: not kernel (needs root")
    assert ", not divert (" in why


@pytest.mark.parametrize("missing", ["win32", "darwin"])
def test_a_backend_of_another_system_says_so(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", missing)
    with pytest.raises(ConfigError, match="kernel cannot run here: runs on Linux alone"):
        choose(parse_config("collector:\n  capture: kernel\n"))


def test_on_windows_no_driver_is_loaded_to_measure_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    capture, reason = choose(parse_config(""), backends(etw="needs an administrator"))
    assert capture.name == "counters"
    assert "divert (collector.allow_driver is false: measuring loads no driver)" in reason
    assert choose(AUTO, backends(etw="needs an administrator"))[0].name == "divert"
