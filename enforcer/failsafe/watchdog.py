"""The watchdog: a tiny process that lets packets flow when the enforcer dies or is stopped. The enforcer's end of it.

On Windows the driver releases every packet when its process ends, so nothing is needed. On Linux ``watchdog_linux``
runs as a child, only while packets are diverted, in a session of its own, so that Ctrl-Z does not stop it as well.
"""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from typing import Final

_log = logging.getLogger(__name__)

BEAT: Final = b"."
BYE: Final = b"!"


class Watchdog:
    """The enforcer's end of the pipe. Where no watchdog is needed it does nothing."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if sys.platform != "linux":
            return
        from qos.service import child_command  # here: the watchdog's own process imports this module and stays small

        child = child_command("enforcer.failsafe.watchdog_linux", str(os.getpid()))
        try:
            self._process = subprocess.Popen(
                child.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd=child.cwd,
                env=child.env,
            )
        except OSError as error:
            _log.warning("no watchdog process: if the enforcer dies, packets wait up to 3 s: %s", error)
            return
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)

    def beat(self) -> None:
        """Say that we live."""
        self._say(BEAT)

    def close(self) -> None:
        """Say that everything is closed: nothing is to be done. Safe to call twice."""
        process = self._process
        if process is None:
            return
        self._say(BYE)
        self._process = None
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _say(self, word: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Full: it reads slowly. Broken: it is gone, and so is what it could do.
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._process.stdin.fileno(), word)
