"""Telling systemd how a service does (sd_notify(3)): ready, alive, stopping. Without systemd nothing happens.

The protocol is one datagram of ``KEY=value`` lines to the socket in ``NOTIFY_SOCKET``; ``WATCHDOG_USEC`` says how often
at least to say that we live (sd_watchdog_enabled(3)).
"""

import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from typing import Final

_US_PER_NS: Final = 1_000


class ServiceNotifier:
    """``now_ns`` is monotonic. Never raises for what systemd does."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self._every_ns = int(usec) * _US_PER_NS // 2 if usec.isdigit() and mine else 0
        self._last_ns: int | None = None

    def ready(self, status: str = "") -> None:
        """Started: whoever waits for the service may go on."""
        self._send("READY=1" + (f"\nSTATUS={status}" if status else ""))

    def alive(self, now_ns: int) -> None:
        """Still doing our work; sent twice as often as the watchdog asks for."""
        if self._every_ns and (self._last_ns is None or now_ns - self._last_ns >= self._every_ns):
            self._last_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """On the way out on purpose."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address or sys.platform == "win32":
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.sendto(text.encode(), address)
