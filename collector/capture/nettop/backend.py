"""The ``nettop`` backend: runs the program that macOS brings, once a tick, and takes the differences.

It needs no privilege. Never run on a Mac by the authors: the listing's parser is tested on recorded output.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Final

from collector.capture import CaptureUnavailable, Delta, Owner, Sample
from collector.capture.executables import Executables
from collector.capture.nettop.listing import NotNettopError, ProcessBytes, parse
from qos.system import clock

_COMMAND: Final = ("nettop", "-P", "-L", "1", "-x", "-n")
_TIMEOUT_S: Final = 5.0


class NettopCapture:
    """Deltas of cumulative bytes. ``run`` returns the listing's text; it is for tests."""

    name = "nettop"
    blind_to: tuple[str, ...] = (
        "packets: only bytes are counted",
        "the last bytes of a process that ended",
        "whether a byte stayed on this Mac (loopback is counted too)",
    )

    def __init__(self, run: Callable[[], str] | None = None, executables: Executables | None = None) -> None:
        self._run = run or _run
        self._executables = executables or Executables(5 * clock.NS_PER_S)
        self._last: dict[int, ProcessBytes] = {}

    def start(self) -> None:
        """Take the baseline. Raises CaptureUnavailable."""
        try:
            self._last = {process.pid: process for process in parse(self._run())}
        except (OSError, subprocess.SubprocessError) as error:
            raise CaptureUnavailable(f"nettop does not run: {error}") from None
        except NotNettopError as error:
            raise CaptureUnavailable(f"nettop of this macOS prints something else: {error}") from None

    def poll(self) -> Sample:
        """One delta for every process that moved something. A process not seen before counts from zero."""
        found = {process.pid: process for process in parse(self._run())}
        deltas = []
        for pid, process in found.items():
            before = self._last.get(pid)
            same = before is not None and before.name == process.name and before.rx_bytes <= process.rx_bytes
            received = process.rx_bytes - (before.rx_bytes if before is not None and same else 0)
            sent = process.tx_bytes - (before.tx_bytes if before is not None and same else 0)
            if received > 0 or sent > 0:
                deltas.append(Delta(self._owner(process), max(received, 0), max(sent, 0), 0, 0))
        self._last = found
        return Sample(tuple(deltas))

    def _owner(self, process: ProcessBytes) -> Owner:
        return self._executables.look(process.pid) or Owner(process.pid, name=process.name)

    def stop(self) -> None:
        """Nothing is held. Safe to call twice."""
        self._last.clear()


def _run() -> str:
    if sys.platform != "darwin":
        raise OSError("it belongs to macOS")
    return subprocess.run(_COMMAND, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S).stdout
