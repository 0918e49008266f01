"""The page as a part: listens, serves, says in its heartbeat where, until told to stop."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from console.commands.context import Context
from console.page import memory
from console.page.access import address
from console.page.access.guard import Guard
from console.page.api.application import PageApplication
from console.page.live.stream import Broadcast
from console.page.server import PageServer
from console.page.service import PageService
from qos.contract.config import Config
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.contract.points import Agent
from qos.service import HeartbeatWriter, SelfUsage
from qos.system import clock

log = logging.getLogger("page")
logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

PART: Final = "page"
_BEAT_S: Final = 1.0
_RECORD_NS: Final = 10 * 10**9


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Serve until ``stop``; the process's exit status. Raises ConfigError when no port is free."""
    return serve(Context(config, config_path, data), config.page.port, stop, lambda _service: None)


def serve(context: Context, port: int, stop: threading.Event, ready: Callable[[PageService], None]) -> int:
    """Serve on ``port`` or the next free one; ``ready`` is called once, when it listens."""
    memory.share_one_arena()
    sock = address.listen(port)
    bound = int(sock.getsockname()[1])
    if bound != port:
        log.warning("port %d is taken: the page listens on %d", port, bound)
    service = PageService(context, bound)
    try:
        asyncio.run(_serve(service, sock, stop, ready))
    finally:
        service.close()
        sock.close()
    return 0


async def _serve(
    service: PageService,
    sock: socket.socket,
    stop: threading.Event,
    ready: Callable[[PageService], None],
) -> None:
    # One thread for the stream: each that reads the store holds a connection with its cache.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="stream"))
    broadcast = Broadcast(service)
    application = PageApplication(service, broadcast)
    guard = Guard(application, address.hosts(service.port), address.origins(service.port))
    server = PageServer(guard, stop)
    tasks = [asyncio.create_task(broadcast.run()), asyncio.create_task(_live(service, broadcast))]
    memory.give_back()
    ready(service)
    try:
        await server.serve([sock])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        application.close()
        if service.writable:
            with contextlib.suppress(StoreUnavailable, StoreRejected, ConfigError):
                HeartbeatWriter(service.store, PART).end(clock.wall_ns())


async def _live(service: PageService, broadcast: Broadcast) -> None:
    """The heartbeat and what the page costs, in the stream's thread: a busy store must not stop the server."""
    if not service.writable:
        return
    account = _Account(service)
    while True:
        await asyncio.to_thread(account.write, broadcast.followers)
        await asyncio.sleep(_BEAT_S)


class _Account:
    """Writes ``part:page`` and every ten seconds an ``agent`` point."""

    def __init__(self, service: PageService) -> None:
        self._service = service
        self._usage = SelfUsage()
        self._heartbeat: HeartbeatWriter | None = None
        self._recorded_ns = 0

    def write(self, streams: int) -> None:
        service, now_ns = self._service, clock.wall_ns()
        with contextlib.suppress(StoreUnavailable, StoreRejected, ConfigError):
            self._heartbeat = self._heartbeat or HeartbeatWriter(service.store, PART)
            self._heartbeat.beat(now_ns, "running", address.url(service.port), port=service.port, streams=streams)
            if now_ns - self._recorded_ns < _RECORD_NS:
                return
            self._recorded_ns = now_ns
            memory.trim()  # a year of history may have been asked for
            spent = self._usage.sample(clock.monotonic_ns())
            point = Agent(
                time_ns=now_ns,
                host=service.config.host,
                part=PART,
                cpu_percent=spent.cpu_percent,
                rss_bytes=spent.rss_bytes,
                points_written=1,
                points_dropped=0,
                capture_lost=0,
                outbox_rows=0,
                restarts=0,
            )
            service.store.write([point])
