"""The HTTP server: uvicorn on a socket of ours, without what a local page does not need, with bounds on everything."""

import asyncio
import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from starlette.types import ASGIApp


class _NoCommandLine(ModuleType):
    def __getattr__(self, name: str) -> None:
        return None


if "uvicorn" not in sys.modules:
    # The package imports its command line, with click and multiprocessing: 5 MB of our 40 for what is never called.
    sys.modules["uvicorn.main"] = _NoCommandLine("uvicorn.main")
    importlib.import_module("uvicorn")
    del sys.modules["uvicorn.main"]

from uvicorn.config import Config as ServerConfig  # noqa: E402 - after the above
from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402 - idem
from uvicorn.server import Server  # noqa: E402 - idem

MOST_CONNECTIONS: Final = 96
REQUEST_S: Final = 10.0
"""A connection that has not sent a whole request head for so long is closed."""


class _Protocol(H11Protocol):
    """Closes connections that never ask anything, so that they cannot use up the bound on connections."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._first = asyncio.get_running_loop().call_later(REQUEST_S, self._close_silent)

    def _close_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)


class PageServer(Server):
    """One server on one socket, ended by an event."""

    def __init__(self, app: ASGIApp, stop: threading.Event) -> None:
        self._stop = stop
        super().__init__(
            ServerConfig(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=16 * 1024,
                backlog=64,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the part's business (``qos.service.stop``)."""
        yield

    async def main_loop(self) -> None:
        """Until ``stop`` is set; four looks a second, not the library's ten: at rest a page does little else."""
        while not self._stop.is_set() and not await self.on_tick(0):  # noqa: ASYNC110 - a thread's event, set by a signal
            await asyncio.sleep(0.25)
