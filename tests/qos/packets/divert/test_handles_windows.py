"""The Windows handles over a library that behaves as WinDivert is documented to, so that their own logic runs anywhere.

What only a driver can show (``test_divert.py``) runs on a Windows administrator's machine.
"""

import struct
import threading
from collections.abc import Iterator

import pytest

from qos.packets.divert.address import ADDRESS_BYTES, FlowEvent, RawPacket
from qos.packets.divert.errors import Drained
from qos.packets.divert.handles_windows import Diverter, FlowEvents, Injector, Sniffer
from tests.qos.packets.divert.fake_windivert import ACCESS_DENIED, HOST_UNREACHABLE, SERVICE_DISABLED, FakeWinDivert


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


def raw(n: int, text: str = "") -> RawPacket:
    return RawPacket(packet(f"{n}{text}".encode()), address(n), True, 3, 0)


def test_packets_go_out_in_batches_of_255_with_their_addresses(driver: FakeWinDivert) -> None:
    injector = Injector(lib=driver)
    packets = [raw(n) for n in range(300)]
    assert injector.send(packets) == 300
    assert driver.calls == [255, 45]
    assert driver.wire == [(p.data, p.address) for p in packets]
    assert injector.errors == {}
    assert driver.opened == [("false", "network", 499, 0x08)]


def test_no_packet_goes_out_twice_when_the_driver_refuses_one_of_a_batch(driver: FakeWinDivert) -> None:
    """The driver goes on with the batch after the packet that it cannot inject, and only then reports the error."""
    injector = Injector(lib=driver)
    packets = [raw(n) for n in range(255)]
    driver.unsendable = {packets[100].data}
    assert injector.send(packets) == 254
    assert [data for data, _ in driver.wire] == [p.data for p in packets if p is not packets[100]]
    assert (injector.errors, injector.sent) == ({HOST_UNREACHABLE: 1}, 254)


def test_after_a_refusal_packets_go_one_by_one_for_a_while_so_that_refusals_are_counted_exactly(
    driver: FakeWinDivert,
) -> None:
    injector = Injector(lib=driver)
    packets = [raw(n) for n in range(10)]
    driver.unsendable = {p.data for p in packets}
    assert injector.send(packets) == 9, "a batch with an error lost one packet at least; no more is known"
    assert injector.send(packets) == 0
    assert injector.errors == {HOST_UNREACHABLE: 11}
    assert driver.calls == [10] + [1] * 10
    driver.unsendable = set()
    injector.send([raw(n) for n in range(1300)])
    assert max(driver.calls) == 255, "batches again after a thousand packets without a refusal"
    assert len(driver.wire) == 1300


def test_a_packet_that_is_none_ends_the_batch_and_is_counted(driver: FakeWinDivert) -> None:
    injector = Injector(lib=driver)
    broken = RawPacket(b"\x00" * 40, address(1), True, 3, 0)
    assert injector.send([raw(1), broken, raw(2)]) == 2
    assert [data for data, _ in driver.wire] == [raw(1).data]
    assert injector.errors == {122: 1}


def test_a_handle_is_not_freed_under_a_call_of_another_thread(driver: FakeWinDivert) -> None:
    diverter = Diverter("udp", lib=driver)
    seen: list[str] = []

    def receive() -> None:
        try:
            diverter.recv()
        except Drained:
            seen.append("drained")

    reader = threading.Thread(target=receive)
    reader.start()
    threading.Event().wait(0.05)
    diverter.close()
    reader.join(5)
    assert (seen, driver.closed) == (["drained"], [1])
    assert diverter.lost() == 0
    diverter.shutdown_recv()


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
