"""The stream of echoes: its messages, and the real thing on loopback."""

import select
import struct
import time
from typing import Any

import pytest

from qos.system.clock import NS_PER_MS
from qos.system.echo_stream import EchoStream, _Target, reply, request
from tests.enforcer.ports import until
from tests.require import linux_root

IP_HEAD = bytes([0x45]) + bytes(19)


def took(found: list[Any], stream: EchoStream) -> bool:
    """Adds what came since the last call."""
    found.extend(stream.take())
    return True


def test_a_request_has_the_internet_checksum() -> None:
    message = request(8, 0x1234, 7, b"abcd")
    total: int = sum(struct.unpack(">6H", message))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_an_answer_is_told_from_a_request_and_from_rubbish() -> None:
    assert reply(IP_HEAD + request(0, 5, 9, bytes(48)), six=False) == (5, 9, None)
    assert reply(IP_HEAD + request(8, 5, 9, bytes(48)), six=False) is None
    assert reply(request(129, 5, 9, bytes(48)), six=True) == (5, 9, None)
    stamped = request(14, 5, 9, struct.pack(">III", 1, 2, 3))
    assert reply(IP_HEAD + stamped, six=False) == (5, 9, (1, 2, 3))
    for rubbish in (b"", b"\x45", IP_HEAD, IP_HEAD + b"\x00\x00", IP_HEAD + stamped[:12]):
        assert reply(rubbish, six=False) is None


def test_loopback_answers_with_timestamps_and_over_both_families() -> None:
    linux_root()
    stream = EchoStream()
    stream.run(("127.0.0.1", "::1"), 50 * NS_PER_MS)
    found: list[Any] = []
    until(lambda: took(found, stream) and {one.target for one in found if one.rtt_ns} == {"127.0.0.1", "::1"})
    until(lambda: took(found, stream) and any(one.there_ns is not None for one in found))
    stream.close()
    assert all(0 < one.rtt_ns < 2 * 10**9 for one in found if one.rtt_ns is not None and not one.pending)
    stamped = next(one for one in found if one.there_ns is not None)
    assert stamped.back_ns is not None
    assert abs(stamped.there_ns or 0) < 1000 * NS_PER_MS


def test_an_echo_that_is_not_answered_is_said_to_be_under_way() -> None:
    linux_root()
    stream = EchoStream()
    stream.run(("192.0.2.77",), 50 * NS_PER_MS)
    found: list[Any] = []
    until(lambda: took(found, stream) and any(one.pending or one.rtt_ns is None for one in found))
    stream.close()


def test_a_name_that_has_no_address_yet_is_looked_up_again_while_asking_goes_on() -> None:
    linux_root()
    told = iter([(), ()])  # the resolver knows it from the third time on
    stream = EchoStream(lambda name: next(told, ("127.0.0.1",)), resolve_again_ns=100 * NS_PER_MS)
    stream.run(("late.test",), 20 * NS_PER_MS)
    found: list[Any] = []
    until(lambda: took(found, stream) and any(one.rtt_ns is not None and not one.pending for one in found))
    stream.close()
    assert {one.target for one in found} == {"late.test"}


def test_a_late_look_at_an_answer_makes_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine lets the thread wait; the answer came when the kernel saw it."""
    linux_root()
    real = select.select

    def late(*arguments: Any) -> Any:
        found = real(*arguments)
        time.sleep(0.15)
        return found

    monkeypatch.setattr(select, "select", late)
    stream = EchoStream()
    found: list[Any] = []
    stream.run(("127.0.0.1",), 50 * NS_PER_MS)
    until(lambda: took(found, stream) and sum(one.rtt_ns is not None and not one.pending for one in found) >= 6)
    stream.close()
    answered = [one.rtt_ns for one in found if one.rtt_ns is not None and not one.pending]
    assert sorted(answered)[len(answered) // 2] < 50 * NS_PER_MS
    # What lies in the socket already is not under way any more.
    assert not [one for one in found if one.pending and (one.rtt_ns or 0) > 50 * NS_PER_MS]


class Wire:
    """A raw socket that answers what it is told to."""

    family = 2

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.coming: list[bytes] = []

    def sendto(self, data: bytes, _where: object) -> None:
        self.sent.append(data)

    def recvmsg(self, *_: int) -> tuple[bytes, list[Any], int, None]:
        return self.recv(), [], 0, None

    def recv(self, _size: int = 0) -> bytes:
        if not self.coming:
            raise BlockingIOError
        return self.coming.pop(0)


def test_an_answer_that_is_read_before_the_sender_goes_on_is_not_thrown_away() -> None:
    """Loopback answers at once, and another thread reads: the echo was under way for a second."""
    stream = EchoStream()

    class Quick(Wire):
        def sendto(self, data: bytes, _where: object) -> None:
            head = bytearray(IP_HEAD + data)
            head[20] = 0  # an echo reply
            self.coming.append(bytes(head))
            stream._receive(self)  # type: ignore[arg-type]  # the calls that are used

    stream._send(_Target("near", "127.0.0.1", stamps_sent=9), 0, {2: Quick()})  # type: ignore[dict-item]  # idem
    (answer,) = stream.take()
    assert not answer.pending
    assert answer.rtt_ns is not None


def test_a_target_that_limits_its_answers_makes_no_delay() -> None:
    """One answer of five, at once: what is not answered was not late, it was left out."""
    stream, wire = EchoStream(), Wire()
    stream.run((), NS_PER_MS)
    target = _Target("far", "192.0.2.9", stamps_sent=9)
    late: list[int] = []
    for number in range(100):
        stream._send(target, 0, {2: wire})  # type: ignore[dict-item]  # the calls that are used
        if number % 5 == 0:
            head = bytearray(IP_HEAD + wire.sent[-1])
            head[20] = 0  # an echo reply
            wire.coming.append(bytes(head))
            stream._receive(wire)  # type: ignore[arg-type]  # the calls that are used
        elif number > 20:
            time.sleep(0.001)
            late += [one.rtt_ns or 0 for one in stream.take() if one.pending]
    assert late == []
