"""Handles on Windows, over the WinDivert DLL that pydivert carries. The same functions as ``handles_linux``.

A receive never has a time limit here: pydivert's timed receive cancels without waiting for the cancel and can lose a
packet, so every receive blocks in the DLL (no OVERLAPPED of ours) and ``shutdown_recv`` is what ends it. Batches are
real: up to 255 packets a call. Thin on purpose; what can be tested without Windows lives in ``address`` and
``filters``.
"""

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from ctypes import c_char
from time import sleep
from typing import Any, Final

from qos.packets.divert.address import ADDRESS_BYTES, FlowEvent, RawPacket, SniffedBatch, read_flow, read_packet, split
from qos.packets.divert.errors import Drained
from qos.packets.divert.library_windows import Library, library
from qos.packets.divert.native_handle import NativeHandle

log = logging.getLogger(__name__)

_SNIFF, _RECV_ONLY, _SEND_ONLY = 0x01, 0x04, 0x08
_QUEUE_LENGTH, _QUEUE_TIME, _QUEUE_SIZE = 0, 1, 2
_BATCH_MAX: Final = 255
_BUFFER: Final = 1 << 20
_CLOSED: Final = (232, 6, 995)
"""Shut down and drained; invalid handle; aborted because the handle was closed."""
_BUSY: Final = (433, 1058)
"""The driver is between unloading and loading: worth another try."""
_ATTEMPTS: Final = 6
_SINGLE_AFTER: Final = 4 * _BATCH_MAX
"""Packets that are sent one by one after a refusal."""


class Handle:
    """One open handle. One thread receives; ``shutdown_recv`` and ``close`` may come from another."""

    def __init__(self, text: str, layer: str, priority: int, flags: int, lib: Library | None = None) -> None:
        self._lib = lib or library()
        self._lib.compile(text, layer)
        self._handle = NativeHandle(self._opened(text, layer, priority, flags), self._lib.close)
        self._buffer: Any = None
        self._addresses: Any = None

    def _opened(self, text: str, layer: str, priority: int, flags: int) -> int:
        for attempt in range(_ATTEMPTS):
            handle = self._lib.open(text, layer, priority, flags)
            if handle is not None:
                return handle
            code = self._lib.last_error()
            if code not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            sleep(0.2 * (attempt + 1))
        raise self._error(code, f"opening a {layer} handle for {text!r}")

    def _error(self, code: int, doing: str) -> OSError:
        # The fourth argument is Windows' own number; the first is only for systems that do not know it.
        return OSError(errno.EIO, f"{self._lib.describe(code)} (Windows error {code} while {doing})", None, code)

    def set_queue(self, *, length: int = 16384, time_ms: int = 2000, size_bytes: int = 32 << 20) -> None:
        """Bounds of the driver's queue: packets, age and bytes (the maxima by default, but for the age)."""
        with self._handle as raw:
            for param, value in ((_QUEUE_LENGTH, length), (_QUEUE_TIME, time_ms), (_QUEUE_SIZE, size_bytes)):
                if not self._lib.set_param(raw, param, value):
                    code = self._lib.last_error()
                    raise self._error(code, f"setting queue parameter {param} to {value}")

    def receive(self, batch: int, with_data: bool = True) -> tuple[memoryview, memoryview]:
        """Data and addresses of 1 to ``batch`` packets or events; waits for the first. Raises Drained, OSError."""
        if self._addresses is None:
            self._buffer = (c_char * _BUFFER)() if with_data else None
            self._addresses = (c_char * (batch * ADDRESS_BYTES))()
        data, room = (self._buffer, _BUFFER) if with_data else (None, 0)
        with self._handle as raw:
            got = self._lib.recv(raw, data, room, self._addresses, len(self._addresses))
            code = 0 if got is not None else self._lib.last_error()
        if got is None:
            if code in _CLOSED:
                raise Drained
            raise self._error(code, "receiving")
        seen = memoryview(self._buffer).cast("B")[: got[0]] if with_data else memoryview(b"")
        return seen, memoryview(self._addresses).cast("B")[: got[1]]

    def stats(self) -> dict[str, int]:
        """WinDivert counts nothing: empty."""
        return {}

    def lost(self) -> int:
        """Always 0: WinDivert drops silently. Watch the age of what is received instead."""
        return 0

    def shutdown_recv(self) -> None:
        """Capture nothing more; what is queued can still be received, then ``Drained`` is raised."""
        try:
            with self._handle as raw:
                self._lib.shutdown(raw, 1)
        except Drained:
            return  # closed: nothing is captured any more

    def close(self) -> None:
        """Close the handle; the driver re-injects what was still queued in it. Safe to call twice, from any thread."""
        self._handle.close(lambda raw: self._lib.shutdown(raw, 1))

    def __enter__(self) -> "Any":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Sniffer(Handle):
    """Copies of packets, in raw batches. Raises OSError, ValueError (the filter) and PyDivertMissing when opened.

    Every interface is seen, new ones too: ``interfaces`` and ``ring_bytes`` are for Linux and change nothing here.
    """

    def __init__(
        self,
        text: str = "!loopback",
        *,
        priority: int = 1000,
        interfaces: Sequence[str] | None = None,
        batch: int = _BATCH_MAX,
        ring_bytes: int = 0,
        lib: Library | None = None,
    ) -> None:
        super().__init__(text, "network", priority, _SNIFF | _RECV_ONLY, lib)
        self.set_queue()
        self._batch = min(batch, _BATCH_MAX)

    def recv(self, timeout_s: float | None = None) -> SniffedBatch | None:
        """The packets there are, at least one; waits for it whatever ``timeout_s`` says. One thread at a time.

        Raises Drained once shut down and empty, OSError otherwise. The batch is valid until the next call.
        """
        data, addresses = self.receive(self._batch)
        oldest_ns = self._lib.ticks().to_ns(int.from_bytes(addresses[:8], "little"))
        return SniffedBatch(data, addresses, len(addresses) // ADDRESS_BYTES, oldest_ns)


class Diverter(Handle):
    """Packets taken out of the stack. Each one must go through an ``Injector`` or it is gone.

    Raises OSError, ValueError (the filter) and PyDivertMissing when opened. ``interfaces`` is for Linux.
    """

    def __init__(
        self,
        text: str,
        *,
        priority: int = 500,
        interfaces: Sequence[str] | None = None,
        queue_ms: int = 2000,
        batch: int = 64,
        lib: Library | None = None,
    ) -> None:
        super().__init__(text, "network", priority, 0, lib)
        self.set_queue(time_ms=queue_ms)
        self._batch = min(batch, _BATCH_MAX)

    def recv(self, timeout_s: float | None = None) -> list[RawPacket]:
        """1 to ``batch`` packets; waits for the first whatever ``timeout_s`` says: ``shutdown_recv`` ends the wait.

        Raises Drained once shut down and everything was delivered. One thread at a time.
        """
        data, addresses = self.receive(self._batch)
        clock, count = self._lib.ticks(), len(addresses) // ADDRESS_BYTES
        return [
            read_packet(
                bytes(data[at : at + length]), bytes(addresses[i * ADDRESS_BYTES : (i + 1) * ADDRESS_BYTES]), clock
            )
            for i, (at, length) in enumerate(split(data, count))
        ]

    def drain(self) -> list[RawPacket]:
        """Shut receiving down and return everything that is still queued: send it on. From the receiving thread."""
        self.shutdown_recv()
        packets: list[RawPacket] = []
        try:
            while True:
                packets += self.recv()
        except Drained:
            return packets


class Injector(Handle):
    """Puts packets back where they were taken. Keep it open as long as any ``Diverter`` and until its last packet.

    It captures nothing, and keeps the driver loaded between one ``Diverter`` and the next.
    """

    def __init__(self, *, priority: int = 499, lib: Library | None = None) -> None:
        super().__init__("false", "network", priority, _SEND_ONLY, lib)
        self.sent = 0
        self.errors: dict[int, int] = {}
        """Packets that the system refused, by Windows error code (1232: a loop with another driver)."""
        self._single = 0

    def send(self, packets: Sequence[RawPacket]) -> int:
        """How many went out; the rest is in ``errors`` and gone. Checksums are not calculated again. One thread.

        Nothing is ever sent twice: the driver goes on with a batch after a packet that it could not inject and reports
        the last error at the end (WinDivert 2.2.2, ``windivert_write``: "soft" errors), without saying how many there
        were. So a failed batch counts as one refusal, the least that it can be, and the packets after it go one by
        one for a while, which counts exactly.
        """
        done, at = 0, 0
        while at < len(packets):
            part = packets[at : at + (1 if self._single else _BATCH_MAX)]
            at += len(part)
            self._single = max(0, self._single - 1)
            code = self._inject(part)
            done += len(part)
            if code:
                done -= 1
                self.errors[code] = self.errors.get(code, 0) + 1
                self._single = _SINGLE_AFTER
        self.sent += done
        return done

    def _inject(self, packets: Sequence[RawPacket]) -> int:
        """0, or the Windows error code."""
        data, addresses = b"".join(p.data for p in packets), b"".join(p.address for p in packets)
        with self._handle as raw:
            return 0 if self._lib.send(raw, data, addresses) else self._lib.last_error()


class FlowEvents:
    """Which process opened or closed which socket or flow: the SOCKET layer (before the first packet) and FLOW.

    Both only watch: a SOCKET handle that does not sniff would refuse connections. Sockets older than the handles have
    no events: read the socket table after opening this.
    """

    def __init__(self, *, batch: int = 64, bound: int = 65536, lib: Library | None = None) -> None:
        self._lib = lib or library()
        self._events: deque[FlowEvent] = deque()
        self._bound, self._lost, self._running = bound, 0, 2
        self._ready = threading.Condition()
        self._handles = [Handle("true", layer, 0, _SNIFF | _RECV_ONLY, self._lib) for layer in ("socket", "flow")]
        self._threads = [
            threading.Thread(target=self._pump, args=(handle.receive, batch), daemon=True, name="flow-events")
            for handle in self._handles
        ]
        for thread in self._threads:
            thread.start()

    def _pump(self, receive: Callable[[int, bool], tuple[memoryview, memoryview]], batch: int) -> None:
        try:
            while True:
                _, addresses = receive(batch, False)
                clock = self._lib.ticks()
                found = [read_flow(addresses, at, clock) for at in range(0, len(addresses), ADDRESS_BYTES)]
                with self._ready:
                    for event in found:
                        if event is None:
                            continue
                        if len(self._events) >= self._bound:
                            self._events.popleft()
                            self._lost += 1
                        self._events.append(event)
                    self._ready.notify()
        except Drained:
            pass
        except Exception:  # the thread's one catch-all: the other layer's events still come
            log.exception("reading socket or flow events stopped")
        finally:
            with self._ready:
                self._running -= 1
                self._ready.notify()

    def recv(self, timeout_s: float | None = None) -> list[FlowEvent]:
        """The events there are; empty after ``timeout_s`` seconds (None: wait). Raises Drained. One reader."""
        with self._ready:
            if not self._events and self._running:
                self._ready.wait(timeout_s)
            events = list(self._events)
            self._events.clear()
            if not events and not self._running:
                raise Drained
            return events

    def stats(self) -> dict[str, int]:
        """Events dropped because nobody received them."""
        return {"queue_full": self._lost}

    def lost(self) -> int:
        """Events dropped because nobody received them."""
        return self._lost

    def shutdown_recv(self) -> None:
        """Nothing more comes; what is queued can still be received, then ``Drained`` is raised."""
        for handle in self._handles:
            handle.shutdown_recv()

    def close(self) -> None:
        """End the threads and close the handles. Safe to call twice."""
        self.shutdown_recv()
        for thread in self._threads:
            thread.join(2)
        for handle in self._handles:
            handle.close()

    def __enter__(self) -> "FlowEvents":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
