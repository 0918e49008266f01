"""The Windows handles over a library that behaves as WinDivert is documented to, so that their own logic runs anywhere.

What only a driver can show (``test_divert.py``) runs on a Windows administrator's machine.
"""

import queue
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qos.packets.divert.address import ADDRESS_BYTES, FlowEvent, RawPacket, Ticks
from qos.packets.divert.errors import Drained
from qos.packets.divert.handles_windows import Diverter, FlowEvents, Injector, Sniffer

NO_DATA, ACCESS_DENIED, SERVICE_DISABLED, HOST_UNREACHABLE = 232, 5, 1058, 1232


class FakeWinDivert:
    """Handles are numbers; each has a queue of (data, addresses) batches. None in a queue ends it."""

    def __init__(self, refusals: tuple[int, ...] = ()) -> None:
        self.queues: dict[int, queue.Queue[tuple[bytes, bytes] | None]] = {}
        self.opened: list[tuple[str, str, int, int]] = []
        self.params: list[tuple[int, int]] = []
        self.sent: list[tuple[bytes, bytes]] = []
        self.closed: list[int] = []
        self.refusals = list(refusals)
        self.refuse_batches = False
        self._error = threading.local()

    def compile(self, text: str, layer: str) -> None:
        if "colour" in text:
            raise ValueError("filter: bad token")

    def open(self, text: str, layer: str, priority: int, flags: int) -> int | None:
        if self.refusals:
            self._error.code = self.refusals.pop(0)
            return None
        self.opened.append((text, layer, priority, flags))
        handle = len(self.opened)
        self.queues[handle] = queue.Queue()
        return handle

    def recv(self, handle: int, data: Any, room: int, addresses: Any, size: int) -> tuple[int, int] | None:
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
        if (self.refuse_batches and len(addresses) > ADDRESS_BYTES) or b"refused" in data:
            self._error.code = HOST_UNREACHABLE
            return False
        self.sent.append((data, addresses))
        return True

    def set_param(self, handle: int, param: int, value: int) -> bool:
        self.params.append((param, value))
        return True

    def shutdown(self, handle: int, how: int) -> None:
        assert how == 1
        self.queues[handle].put(None)

    def close(self, handle: int) -> None:
        self.closed.append(handle)

    def last_error(self) -> int:
        return int(self._error.code)

    def describe(self, code: int) -> str:
        return {ACCESS_DENIED: "not an administrator"}.get(code, "an error")

    def ticks(self) -> Ticks:
        return Ticks(10_000_000, 1_000)


def packet(payload: bytes) -> bytes:
    return struct.pack(">BBHHHBBH8x", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0) + bytes(8) + payload


def address(ticks: int, *, out: bool = True, iface: int = 3) -> bytes:
    return struct.pack("<qBBB5xI", ticks, 0, 0, 2 if out else 0, iface) + bytes(60)


@pytest.fixture
def driver() -> Iterator[FakeWinDivert]:
    made = FakeWinDivert()
    yield made
    for waiting in made.queues.values():
        waiting.put(None)


def test_a_batch_is_told_apart_into_packets_with_direction_interface_and_time(driver: FakeWinDivert) -> None:
    diverter = Diverter("udp", lib=driver)
    driver.queues[1].put((packet(b"one") + packet(b"two!"), address(50) + address(60, out=False, iface=4)))
    first, second = diverter.recv()
    assert (first.data, first.outbound, first.iface, first.timestamp_ns) == (packet(b"one"), True, 3, 6_000)
    assert (second.data, second.outbound, second.iface, second.timestamp_ns) == (packet(b"two!"), False, 4, 7_000)
    assert second.address == address(60, out=False, iface=4)
    assert driver.opened == [("udp", "network", 500, 0)]
    assert dict(driver.params) == {0: 16384, 1: 2000, 2: 32 << 20}


def test_draining_returns_what_is_queued_and_then_there_is_nothing(driver: FakeWinDivert) -> None:
    diverter = Diverter("udp", lib=driver)
    driver.queues[1].put((packet(b"one"), address(1)))
    driver.queues[1].put((packet(b"two"), address(2)))
    assert [p.data for p in diverter.drain()] == [packet(b"one"), packet(b"two")]
    with pytest.raises(Drained):
        diverter.recv()
    diverter.close()
    diverter.close()
    assert driver.closed == [1]
    with pytest.raises(Drained):
        diverter.recv()


def test_a_wait_ends_with_the_shutdown_from_another_thread(driver: FakeWinDivert) -> None:
    diverter = Diverter("udp", lib=driver)
    threading.Timer(0.05, diverter.shutdown_recv).start()
    with pytest.raises(Drained):
        diverter.recv(0.001)  # the limit means nothing here: a timed receive can lose a packet


def test_sniffing_hands_on_the_raw_batch(driver: FakeWinDivert) -> None:
    sniffer = Sniffer(lib=driver)
    driver.queues[1].put((packet(b"abc") * 2, address(70) * 2))
    batch = sniffer.recv()
    assert batch is not None
    assert (bytes(batch.data), bytes(batch.addresses)) == (packet(b"abc") * 2, address(70) * 2)
    assert (batch.count, batch.oldest_ns) == (2, 8_000)
    assert driver.opened == [("!loopback", "network", 1000, 0x01 | 0x04)]


def test_packets_go_out_in_batches_of_255_with_their_addresses(driver: FakeWinDivert) -> None:
    injector = Injector(lib=driver)
    packets = [RawPacket(packet(b"%d" % n), address(n), True, 3, 0) for n in range(300)]
    assert injector.send(packets) == 300
    assert [len(addresses) // ADDRESS_BYTES for _, addresses in driver.sent] == [255, 45]
    assert b"".join(data for data, _ in driver.sent) == b"".join(p.data for p in packets)
    assert injector.errors == {}
    assert driver.opened == [("false", "network", 499, 0x08)]


def test_a_refused_batch_is_sent_one_by_one_and_errors_are_counted_by_code(driver: FakeWinDivert) -> None:
    injector = Injector(lib=driver)
    driver.refuse_batches = True
    texts = (b"one", b"refused", b"two")
    assert injector.send([RawPacket(packet(text), address(1), True, 3, 0) for text in texts]) == 2
    assert [data for data, _ in driver.sent] == [packet(b"one"), packet(b"two")]
    assert (injector.errors, injector.sent) == ({HOST_UNREACHABLE: 1}, 2)


def test_a_driver_that_is_just_being_reloaded_is_tried_again() -> None:
    driver = FakeWinDivert((SERVICE_DISABLED, 433))
    Injector(lib=driver)
    assert len(driver.opened) == 1


def test_a_refusal_names_the_reason_and_a_bad_filter_never_reaches_the_driver() -> None:
    driver = FakeWinDivert((ACCESS_DENIED,))
    with pytest.raises(OSError, match=r"not an administrator \(Windows error 5 while opening a network handle"):
        Diverter("udp", lib=driver)
    with pytest.raises(ValueError, match="bad token"):
        Diverter("colour == 3", lib=driver)
    assert driver.opened == []


def event(kind: int, pid: int) -> bytes:
    local, remote = (0x0A000001, 0xFFFF, 0, 0), (0x0A000002, 0xFFFF, 0, 0)
    body = struct.pack("<qBBB5xQQI4I4IHHB", 20, 3, kind, 1, 42, 0, pid, *local, *remote, 5000, 443, 6)
    return body + bytes(ADDRESS_BYTES - len(body))


def test_socket_and_flow_events_come_together_without_the_kernels(driver: FakeWinDivert) -> None:
    with FlowEvents(lib=driver) as events:
        assert [(layer, flags) for _, layer, _, flags in driver.opened] == [("socket", 5), ("flow", 5)]
        driver.queues[1].put((b"", event(4, 7) + event(4, 4)))
        driver.queues[2].put((b"", event(1, 7)))
        got: list[FlowEvent] = []
        while len(got) < 2:
            got += events.recv(5)
        assert sorted(e.kind for e in got) == ["connect", "established"]
        assert {(e.pid, e.local_port, e.timestamp_ns) for e in got} == {(7, 5000, 3_000)}
        assert events.recv(0.01) == []
        events.shutdown_recv()
        with pytest.raises(Drained):
            drained(events, got)
    assert sorted(driver.closed) == [1, 2]


def test_events_that_nobody_reads_are_bounded_and_counted(driver: FakeWinDivert) -> None:
    with FlowEvents(lib=driver, bound=3) as events:
        driver.queues[1].put((b"", event(4, 7) * 8))
        events.shutdown_recv()
        got: list[FlowEvent] = []
        with pytest.raises(Drained):
            drained(events, got)
        assert len(got) + events.lost() == 8
        assert events.stats() == {"queue_full": events.lost()}


def drained(events: FlowEvents, into: list[FlowEvent]) -> None:
    while True:
        into += events.recv(5)
