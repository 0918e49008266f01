"""Which capture backend runs: the one that ``collector.capture`` names, or with ``auto`` the first that works, and why.

A backend is known to work when it started; the reasons of those that did not are kept, because the user who sees
"TCP only" wants to know what stands in the way. Each backend's module is imported only when it is tried: they belong
to different systems.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from collector.capture import Capture, CaptureUnavailable
from qos.contract.config import Config
from qos.contract.errors import ConfigError

Build = Callable[[Sequence[str] | None], Capture]
"""Makes a backend that counts on interfaces matching these globs; None: on all but loopback."""


def _kernel(interfaces: Sequence[str] | None) -> Capture:
    if sys.platform == "linux":
        from collector.capture.kernel.backend import KernelCapture

        return KernelCapture(interfaces)
    raise CaptureUnavailable("runs on Linux alone")


def _divert(interfaces: Sequence[str] | None) -> Capture:
    if sys.platform not in ("linux", "win32"):
        raise CaptureUnavailable("runs on Windows and Linux alone")
    try:
        from collector.capture.divert.backend import DivertCapture
    except ImportError as error:
        raise CaptureUnavailable(f"needs pydivert, which is not there: {error}") from None
    return DivertCapture(interfaces)


def _etw(interfaces: Sequence[str] | None) -> Capture:
    from collector.capture.etw.backend import EtwCapture

    return EtwCapture()


def _counters(interfaces: Sequence[str] | None) -> Capture:
    from collector.capture.process_counters import ProcessCounters

    return ProcessCounters()


def _nettop(interfaces: Sequence[str] | None) -> Capture:
    from collector.capture.nettop.backend import NettopCapture

    return NettopCapture()


def _sockdiag(interfaces: Sequence[str] | None) -> Capture:
    if sys.platform == "linux":
        from collector.capture.sockdiag.backend import SockdiagCapture

        return SockdiagCapture()
    raise CaptureUnavailable("runs on Linux alone")


def _psutil(interfaces: Sequence[str] | None) -> Capture:
    from collector.capture.psutil_io import PsutilCapture

    return PsutilCapture()


BACKENDS: Final[Mapping[str, Build]] = {
    "kernel": _kernel,
    "etw": _etw,
    "divert": _divert,
    "counters": _counters,
    "nettop": _nettop,
    "sockdiag": _sockdiag,
    "psutil": _psutil,
}
_ORDER: Final = {
    "linux": ("kernel", "divert", "sockdiag", "psutil"),
    "win32": ("etw", "divert", "counters", "psutil"),
    "darwin": ("nettop", "psutil"),
}


def choose(config: Config, backends: Mapping[str, Build] = BACKENDS) -> tuple[Capture, str]:
    """A backend that was started, and why it is that one: one line for the status view.

    Raises ConfigError when ``collector.capture`` names one that cannot run here.
    """
    wanted = config.collector.capture
    interfaces = None if "*" in config.collector.interfaces else config.collector.interfaces
    if wanted != "auto":
        try:
            return _started(backends[wanted], interfaces), f"{wanted}: set by collector.capture"
        except CaptureUnavailable as error:
            raise ConfigError(f"collector.capture: {wanted} cannot run here: {error}; or set it to auto") from None
    refused = []
    for name in _ORDER.get(sys.platform, ("psutil",)):
        if name == "divert" and sys.platform == "win32" and not config.collector.allow_driver:
            refused.append("divert (collector.allow_driver is false: measuring loads no driver)")
            continue
        try:
            capture = _started(backends[name], interfaces)
        except CaptureUnavailable as error:
            refused.append(f"{name} ({error})")
            continue
        why = f"not {', not '.join(refused)}" if refused else "the first choice, and it works"
        return capture, f"{name}: {why}"
    raise ConfigError(f"collector.capture: nothing can run here: {'; '.join(refused)}")


def _started(build: Build, interfaces: Sequence[str] | None) -> Capture:
    capture = build(interfaces)
    capture.start()
    return capture
