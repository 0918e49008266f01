"""Server-sent events: one reader of the store for all who follow, a small queue for each, the newest frame wins.

Source: html.spec.whatwg.org, "Server-sent events". Events: ``history`` (the last minutes, or what was missed since
``Last-Event-ID``), then ``live`` once a second; ``action`` when somebody steered, here or in a terminal; ``incident``
when lag begins or ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from console.page import history, memory
from console.page.api.operation import Call
from console.page.live.live_frame import FrameReader, frame_id
from console.page.problems import Problem
from console.page.service import PageService
from console.steering import action_log
from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable
from qos.system import clock

log = logging.getLogger("page")

MOST_STREAMS: Final = 16
HISTORY_NS: Final = 300 * 10**9
_POLL_S: Final = 0.2
_KEEP_ALIVE_NS: Final = 3 * 10**9


class Broadcast:
    """Frames for everybody who follows. Reads only while somebody does."""

    def __init__(self, service: PageService) -> None:
        self.service = service
        self._reader = FrameReader(service)
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._hurry = False
        self._sent_id = -1
        self._sent_ns = 0
        self._version: int | None = None
        self._action: Any = None
        self._incident: Any = None

    @property
    def followers(self) -> int:
        """How many streams are open."""
        return len(self._queues)

    def hurry(self) -> None:
        """Something was steered: do not wait for the next tick."""
        self._hurry = True

    def join(self) -> "asyncio.Queue[bytes]":
        """A queue that receives events from now on. Raises Problem when there are too many."""
        if len(self._queues) >= MOST_STREAMS:
            raise Problem(503, f"{MOST_STREAMS} streams are open already", headers={"Retry-After": "5"})
        queue: asyncio.Queue[bytes] = asyncio.Queue(2)
        self._queues.add(queue)
        self._version = None
        self._sent_id = -1
        if len(self._queues) == 1:  # nobody followed until now: what happened meanwhile is no news
            self._action = self._incident = None
        return queue

    def leave(self, queue: "asyncio.Queue[bytes]") -> None:
        """No more events."""
        self._queues.discard(queue)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if self._queues:
                await self._tick()
            await asyncio.sleep(_POLL_S)

    async def _tick(self) -> None:
        try:
            event = await asyncio.to_thread(self._next)
        except (StoreUnavailable, StoreRejected, ConfigError) as error:
            event = encode("trouble", {"detail": str(error)})
        except Exception:  # the one catch-all of this task: the stream goes on
            log.exception("reading the present")
            event = encode("trouble", {"detail": "the page could not read the present: its log says why"})
        if event is not None:
            self._put(event)

    def _next(self) -> bytes | None:
        """The next event when there is news, or a sign of life."""
        self.service.follow_config()
        now_ns = clock.wall_ns()
        version = self.service.store.data_version()
        due = now_ns - self._sent_ns >= _KEEP_ALIVE_NS
        if version == self._version and not self._hurry and not due:
            return None
        hurry, self._hurry = self._hurry, False
        self._version = version
        live = self._reader.newest()
        if frame_id(live) == self._sent_id and not hurry and not due:
            return None  # another part wrote
        frame = self._reader.read(now_ns, live)
        self._sent_id, self._sent_ns = frame["id"], now_ns
        return self._news(frame) + encode("live", frame, frame["id"])

    def _news(self, frame: Mapping[str, Any]) -> bytes:
        """An ``action`` that somebody did or undid by hand, a lag ``incident`` that began or ended, since last time."""
        found = b""
        newest = self.service.read_state(action_log.NEWEST) or {}
        if newest != self._action and self._action is not None:
            action = action_log.find(self.service.store, int(newest.get("id", 0)))
            found += encode("action", action.document()) if action is not None else b""
        self._action = newest
        lag = frame.get("lag") or {}
        incident = (lag.get("id"), lag.get("running"))
        if lag and incident != self._incident and self._incident is not None:
            found += encode("incident", lag)
        self._incident = incident
        return found

    def _put(self, event: bytes) -> None:
        for queue in self._queues:
            if queue.full():  # a slow reader gets the newest, not the oldest
                queue.get_nowait()
            queue.put_nowait(event)


def encode(event: str, data: Any, event_id: int | None = None) -> bytes:
    """One event as it is sent."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"event: {event}\n{head}data: ".encode() + to_json(data) + b"\n\n"


def recent_history(service: PageService, now_ns: int, since_ns: int) -> dict[str, Any]:
    """The last minutes of traffic and latency, from ``since_ns`` on."""
    store, interval = service.store, service.config.interval
    start_ns = max(since_ns, now_ns - HISTORY_NS)
    every_ns = history.step_ns(start_ns, now_ns, 600, interval)
    grid = history.Grid.over(start_ns, now_ns, every_ns)
    return {**history.traffic(store, grid, most=24), "probes": history.latency(store, grid)}


def _history_event(service: PageService, now_ns: int, since_ns: int) -> bytes:
    """The ``history`` event; what thousands of rows took is given back: it was a sixth of the process for ever."""
    try:
        return encode("history", recent_history(service, now_ns, since_ns))
    finally:
        memory.trim()


def event_stream(broadcast: Broadcast, call: Call) -> Response:
    """The answer that does not end. Raises Problem when there are too many."""
    queue = broadcast.join()
    last = call.headers.get("last-event-id", "")
    since_ns = int(last) * 10**6 if last.isdecimal() and len(last) < 16 else 0

    async def events() -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n\n"
            try:
                yield await asyncio.to_thread(_history_event, broadcast.service, call.now_ns, since_ns)
            except StoreUnavailable as error:
                yield encode("trouble", {"detail": str(error)})
            while True:
                yield await queue.get()
        finally:
            broadcast.leave(queue)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), headers=headers, media_type="text/event-stream")
