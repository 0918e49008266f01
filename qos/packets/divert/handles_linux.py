"""Handles on Linux, over the C library that pydivert carries (ebpfdivert). The same functions as ``handles_windows``.

The library is called directly: pydivert's own batch calls are loops of single ones. Receiving with a time limit is
safe here. Closing a handle frees what is queued in it: drain it first. A handle belongs to the network namespace of the
thread that opened it; close it from there.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from ctypes import byref, c_char, c_char_p, c_uint32, c_uint64, c_void_p
from time import sleep
from typing import Any, Final

from qos.packets.divert.address import ADDRESS_BYTES, FlowEvent, RawPacket, SniffedBatch, read_flow, read_packet
from qos.packets.divert.errors import Drained
from qos.packets.divert.library_linux import LAYERS, OpenOptions, check_filter, library
from qos.packets.divert.native_handle import NativeHandle

_SNIFF, _RECV_ONLY, _FRAGMENTS = 0x01, 0x04, 0x20
_QUEUE_LENGTH, _QUEUE_TIME, _QUEUE_SIZE = 0, 1, 2
_MAX_PACKET: Final = 40 + 0xFFFF
_STATS: Final = ("diverted", "dropped", "sniffed", "parsing_errors", "ringbuf_full", "queue_full", "too_big")
_LOST: Final = ("parsing_errors", "ringbuf_full", "queue_full", "too_big")


class _Handle:
    """One open handle. Calls from several threads are safe; ``close`` waits for those in progress."""

    def __init__(
        self,
        text: str,
        layer: str,
        priority: int,
        flags: int,
        *,
        interfaces: Sequence[str] | None = None,
        ring_bytes: int = 0,
    ) -> None:
        check_filter(text, layer)
        self._lib = library()
        names = None
        if interfaces is not None:
            names = (c_char_p * (len(interfaces) + 1))(*(name.encode() for name in interfaces), None)
        options = OpenOptions(ctypes.sizeof(OpenOptions), names, ring_bytes)
        handle = c_void_p()
        code = self._lib.open(text.encode(), LAYERS[layer], priority, flags, byref(options), byref(handle))
        if code < 0 or not handle.value:
            raise OSError(-code, f"{os.strerror(-code)} while opening a {layer} handle for {text!r}")
        self._handle = NativeHandle(handle.value, self._lib.close)
        self._last_stats: tuple[int, ...] = (0,) * len(_STATS)

    def set_queue(self, *, length: int = 16384, time_ms: int = 2000, size_bytes: int = 32 << 20) -> None:
        """Bounds of the receive queue: packets, age and bytes (WinDivert's maxima by default, but for the age)."""
        with self._handle as raw:
            for param, value in ((_QUEUE_LENGTH, length), (_QUEUE_TIME, time_ms), (_QUEUE_SIZE, size_bytes)):
                code = self._lib.set_param(raw, param, value)
                if code < 0:
                    raise OSError(-code, f"queue parameter {param} cannot be {value}")

    def stats(self) -> dict[str, int]:
        """Packets by what became of them: diverted, sniffed, ringbuf_full, queue_full …; closed: the last ones seen."""
        values = (c_uint64 * len(_STATS))(*self._last_stats)
        try:
            with self._handle as raw:
                self._lib.stats(raw, values, len(_STATS))
            self._last_stats = tuple(values)
        except Drained:
            pass
        return dict(zip(_STATS, (int(value) for value in values), strict=True))

    def lost(self) -> int:
        """Packets that this handle knows it did not deliver, since it was opened (a full diverter lets them pass)."""
        stats = self.stats()
        return sum(stats[name] for name in _LOST)

    def shutdown_recv(self) -> None:
        """Capture nothing more; what is queued can still be received, then ``Drained`` is raised."""
        try:
            with self._handle as raw:
                self._lib.shutdown(raw, 1)
        except Drained:
            return  # closed: nothing is captured any more

    def close(self) -> None:
        """Free the handle and everything still queued in it, after the calls under way. Safe to call twice."""
        self._handle.close(lambda raw: self._lib.shutdown(raw, 1))

    def __enter__(self) -> "Any":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _milliseconds(timeout_s: float | None) -> int:
    return -1 if timeout_s is None else max(0, round(timeout_s * 1000))


class Sniffer(_Handle):
    """Copies of packets, in raw batches. Raises OSError, ValueError (the filter) and PyDivertMissing when opened.

    ``interfaces`` limits it to interfaces that exist now; None is all that exist now: open another one when one comes.
    """

    def __init__(
        self,
        text: str = "!loopback",
        *,
        priority: int = 1000,
        interfaces: Sequence[str] | None = None,
        batch: int = 4096,
        ring_bytes: int = 32 << 20,
    ) -> None:
        super().__init__(
            text, "network", priority, _SNIFF | _RECV_ONLY | _FRAGMENTS, interfaces=interfaces, ring_bytes=ring_bytes
        )
        self.set_queue()
        self._batch = batch
        self._data = bytearray(4 << 20)
        self._addresses = bytearray(batch * ADDRESS_BYTES)
        self._data_c = (c_char * len(self._data)).from_buffer(self._data)
        self._addresses_c = (c_char * len(self._addresses)).from_buffer(self._addresses)

    def recv(self, timeout_s: float | None = None) -> SniffedBatch | None:
        """The packets there are, at least one; None after ``timeout_s`` seconds without any. One thread at a time.

        Raises Drained once shut down and empty, OSError otherwise. The batch is valid until the next call.
        """
        length, count = c_uint32(), c_uint32(self._batch)
        with self._handle as raw:
            code = self._lib.recv_many(
                raw,
                self._data_c,
                len(self._data),
                byref(length),
                self._addresses_c,
                byref(count),
                _milliseconds(timeout_s),
            )
        if code == 0:
            data, addresses = memoryview(self._data), memoryview(self._addresses)
            oldest_ns = int.from_bytes(self._addresses[:8], "little")
            return SniffedBatch(data[: length.value], addresses[: count.value * ADDRESS_BYTES], count.value, oldest_ns)
        _nothing(code)
        return None


def _nothing(code: int) -> None:
    """A receive that brought nothing: None for "not yet", else the exception that says why."""
    if -code in (errno.EAGAIN, errno.EINTR):
        return
    if -code in (errno.ESHUTDOWN, errno.EBADF):
        raise Drained
    raise OSError(-code, f"{os.strerror(-code)} while receiving")


class Diverter(_Handle):
    """Packets taken out of the stack. Each one must go through an ``Injector`` or it is gone.

    Raises OSError, ValueError (the filter) and PyDivertMissing when opened. Interfaces that exist now are covered.
    """

    def __init__(
        self,
        text: str,
        *,
        priority: int = 500,
        interfaces: Sequence[str] | None = None,
        queue_ms: int = 2000,
        batch: int = 64,
    ) -> None:
        super().__init__(text, "network", priority, 0, interfaces=interfaces)
        self.set_queue(time_ms=queue_ms)
        self._batch = batch
        self._last_look = False

    def recv(self, timeout_s: float | None = None) -> list[RawPacket]:
        """The packets there are, at most ``batch``; empty after ``timeout_s`` seconds (None: wait).

        Raises Drained once ``shutdown_recv`` was called and everything was delivered. Any thread.
        """
        buffer, address, length = (c_char * _MAX_PACKET)(), (c_char * ADDRESS_BYTES)(), c_uint32()
        receive, wait = self._lib.recv, _milliseconds(timeout_s)
        packets: list[RawPacket] = []
        with self._handle as raw:
            while len(packets) < self._batch:
                code = receive(raw, buffer, _MAX_PACKET, byref(length), address, wait)
                if code < 0:
                    if -code == errno.ESHUTDOWN and not packets and not self._last_look:
                        self._last_look = True  # a packet may have been between the kernel's two steps
                        sleep(0.002)
                        continue
                    if not packets:
                        _nothing(code)
                    break
                packets.append(read_packet(ctypes.string_at(buffer, length.value), address.raw))
                receive, wait = self._lib.poll, 0
        return packets

    def drain(self) -> list[RawPacket]:
        """Shut receiving down and return everything that is still queued: send it on."""
        self.shutdown_recv()
        packets: list[RawPacket] = []
        try:
            while True:
                packets += self.recv(0)
        except Drained:
            return packets


class Injector(_Handle):
    """Puts packets back where they were taken. Keep it open as long as any ``Diverter`` and until its last packet.

    It captures nothing. On Linux inbound packets travel back through a hook on ``lo``, which this handle holds.
    """

    def __init__(self, *, priority: int = 499) -> None:
        super().__init__("false", "network", priority, 0, interfaces=("lo",))
        self.sent = 0
        self.errors: dict[int, int] = {}
        """Packets that the system refused, by error code (``errno`` here, Windows error codes there)."""

    def send(self, packets: Sequence[RawPacket]) -> int:
        """How many went out. Checksums that the capture saw as valid are not calculated again. One thread at a time."""
        send, done = self._lib.send, 0
        with self._handle as raw:
            for packet in packets:
                code = send(raw, packet.data, len(packet.data), None, packet.address)
                if code == 0:
                    done += 1
                else:
                    self.errors[-code] = self.errors.get(-code, 0) + 1
        self.sent += done
        return done


class FlowEvents(_Handle):
    """Which process opened or closed which flow: the FLOW layer here, which knows the local port (SOCKET does not).

    Flows of every network namespace are reported; sockets older than the handle have no owner and are left out.
    """

    def __init__(self, *, batch: int = 256) -> None:
        super().__init__("true", "flow", 0, _SNIFF | _RECV_ONLY, ring_bytes=4 << 20)
        self.set_queue(time_ms=16000)
        self._batch = batch
        self._addresses = bytearray(batch * ADDRESS_BYTES)
        self._addresses_c = (c_char * len(self._addresses)).from_buffer(self._addresses)

    def recv(self, timeout_s: float | None = None) -> list[FlowEvent]:
        """The events there are; empty after ``timeout_s`` seconds (None: wait). Raises Drained. One reader."""
        length, count = c_uint32(), c_uint32(self._batch)
        with self._handle as raw:
            code = self._lib.recv_many(
                raw, None, 0, byref(length), self._addresses_c, byref(count), _milliseconds(timeout_s)
            )
        if code < 0:
            _nothing(code)
            return []
        view = memoryview(self._addresses)
        found = (read_flow(view, i * ADDRESS_BYTES) for i in range(count.value))
        return [event for event in found if event is not None]
