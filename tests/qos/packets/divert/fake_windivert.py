"""A WinDivert without a driver, written from WinDivert 2.2.2's source (``sys/windivert.c``), for the Windows handles.

* ``windivert_write``: a batch is taken apart by the packets' own lengths. A packet that cannot be injected ("soft"
  error) does not keep the others from it; the last such error is what the call reports at the end. A packet that is
  none, or cut short ("hard" error), ends the call at once: those before it are on the wire, those after it are not.
* ``reflect_contexts``: "All open (non-REFLECT) contexts". A REFLECT handle first reports those, then its receiving ends
  once it was shut down (``windivert_reflect_established_notify``: "REFLECT layer shutdown is disabled until all
  previously open handles have been queued").
"""

import queue
import struct
import threading
from typing import Any

from qos.packets.divert.address import ADDRESS_BYTES, Ticks

NO_DATA, ACCESS_DENIED, SERVICE_DISABLED, HOST_UNREACHABLE, BUFFER_TOO_SMALL = 232, 5, 1058, 1232, 122
NOT_INSTALLED, INVALID_HANDLE, INVALID_PARAMETER = 1060, 6, 87
OURSELVES = 4711
SNIFF, RECV_ONLY, SEND_ONLY, NO_INSTALL = 0x01, 0x04, 0x08, 0x10


class FakeWinDivert:
    """Handles are numbers; each has a queue of (data, addresses) batches. None in a queue ends it."""

    def __init__(self, refusals: tuple[int, ...] = ()) -> None:
        self.queues: dict[int, queue.Queue[tuple[bytes, bytes] | None]] = {}
        self.opened: list[tuple[str, str, int, int]] = []
        self.params: list[tuple[int, int]] = []
        self.calls: list[int] = []
        """Packets handed over in each call of ``send``."""
        self.wire: list[tuple[bytes, bytes]] = []
        """What was injected: each packet with its address."""
        self.unsendable: set[bytes] = set()
        """Packets that the system does not take (a "soft" error)."""
        self.closed: list[int] = []
        self.refusals = list(refusals)
        self.foreign: list[int] = []
        """Processes of other programs that have a handle open."""
        self.loaded = False
        self.silent = False
        """A driver that never ends a listing."""
        self._error = threading.local()

    def compile(self, text: str, layer: str) -> None:
        if "colour" in text:
            raise ValueError("filter: bad token")

    def open(self, text: str, layer: str, priority: int, flags: int) -> int | None:
        if self.refusals:
            self._error.code = self.refusals.pop(0)
            return None
        if flags & NO_INSTALL and not (self.loaded or self.foreign):
            self._error.code = NOT_INSTALLED
            return None
        self.loaded = True
        self.opened.append((text, layer, priority, flags))
        handle = len(self.opened)
        self.queues[handle] = queue.Queue()
        if layer == "reflect":
            for opened_at, pid in enumerate(self._owners()):
                self.queues[handle].put((b"", reflected(8, opened_at, pid)))
        return handle

    def _owners(self) -> list[int]:
        others = enumerate(self.opened, 1)
        ours = [n for n, (_, layer, _, _) in others if layer != "reflect" and n not in self.closed]
        return [*self.foreign, *(OURSELVES for _ in ours)]

    def recv(self, handle: int, data: Any, room: int, addresses: Any, size: int) -> tuple[int, int] | None:
        assert handle not in self.closed, "a freed handle is used"
        batch = self.queues[handle].get(timeout=20)
        if batch is None:
            self.queues[handle].put(None)
            self._error.code = NO_DATA
            return None
        if data is not None:
            memoryview(data).cast("B")[: len(batch[0])] = batch[0]
        memoryview(addresses).cast("B")[: len(batch[1])] = batch[1]
        return len(batch[0]) if data is not None else 0, len(batch[1])

    def send(self, handle: int, data: bytes, addresses: bytes) -> bool:
        assert handle not in self.closed, "a freed handle is used"
        self.calls.append(len(addresses) // ADDRESS_BYTES)
        soft, at = 0, 0
        for n in range(len(addresses) // ADDRESS_BYTES):
            version = data[at] >> 4 if len(data) - at >= 20 else 0
            if version not in (4, 6):
                self._error.code = INVALID_PARAMETER if version else BUFFER_TOO_SMALL
                return False
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if version == 6:
                length = 40 + int.from_bytes(data[at + 4 : at + 6], "big")
            if len(data) - at < length:
                self._error.code = BUFFER_TOO_SMALL
                return False
            one = data[at : at + length]
            if one in self.unsendable:
                soft = HOST_UNREACHABLE
            else:
                self.wire.append((one, addresses[n * ADDRESS_BYTES : (n + 1) * ADDRESS_BYTES]))
            at += length
        self._error.code = soft
        return not soft

    def set_param(self, handle: int, param: int, value: int) -> bool:
        self.params.append((param, value))
        return True

    def shutdown(self, handle: int, how: int) -> None:
        assert how == 1
        assert handle not in self.closed, "a freed handle is used"
        if not self.silent:
            self.queues[handle].put(None)

    def close(self, handle: int) -> None:
        assert handle not in self.closed, "freed twice"
        self.closed.append(handle)
        self.queues[handle].put(None)

    def last_error(self) -> int:
        return int(self._error.code)

    def describe(self, code: int) -> str:
        return {ACCESS_DENIED: "not an administrator"}.get(code, "an error")

    def ticks(self) -> Ticks:
        return Ticks(10_000_000, 1_000)


def reflected(event: int, opened_at: int, pid: int) -> bytes:
    """The address of a REFLECT event: WINDIVERT_DATA_REFLECT begins with the opening time and the process."""
    return struct.pack("<qBBB5xqI", 0, 4, event, 1, opened_at, pid) + bytes(ADDRESS_BYTES - 28)
