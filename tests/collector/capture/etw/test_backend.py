"""The backend over a fake of Windows: the canary first, then deltas, losses, doubt, and names of who is gone."""

import os
import socket
import struct

import pytest

from collector.capture import CaptureUnavailable, Sample
from collector.capture.etw import backend, canary
from collector.capture.etw.backend import EtwCapture
from collector.capture.etw.canary import Sent, Sightings
from collector.capture.etw.parser import Parser
from collector.capture.etw.session import NAME, Lost
from collector.capture.executables import Executables
from tests.collector.capture.etw.fake_api import FakeApi
from tests.collector.capture.etw.trace_buffers import buffer, process_start, record, v4, v6

S = 10**9
LOOP = b"\0" * 15 + b"\1"
SENT = (
    Sent("TCPv4", 1_000, frozenset((1001, 1002))),
    Sent("TCPv6", 1_000, frozenset((2001, 2002))),
    Sent("UDPv4", 300, frozenset((3001, 3002))),
)


def canary_records(pid: int, *, udp: bool = True, tcp: int = 1_000) -> list[bytes]:
    """The events that Windows would write for ``SENT``."""
    made = [
        record(10, v4(pid, tcp, "127.0.0.1", "127.0.0.1", 1001, 1002)),
        record(11, v4(pid, tcp, "127.0.0.1", "127.0.0.1", 1002, 1001)),
        record(26, v6(pid, tcp, LOOP, LOOP, 2001, 2002)),
        record(27, v6(pid, tcp, LOOP, LOOP, 2002, 2001)),
    ]
    if udp:
        made.append(record(42, v4(pid, 300, "127.0.0.1", "127.0.0.1", 3002, 3001)))
        made.append(record(43, v4(pid, 300, "127.0.0.1", "127.0.0.1", 3002, 3001)))
    return made


class Rig:
    """A backend whose clock, buffers, counters and interfaces are ours."""

    def __init__(self, *, events: list[bytes] | None = None, raw: bool = True) -> None:
        self.api = FakeApi(raw=raw)
        self.api.flushed = self.flush
        self.now_ns = 0
        self.pending: list[bytes] = canary_records(os.getpid()) if events is None else events
        self.rx = self.tx = 0
        self.system_datagrams, self.passed_on = 0, 0
        self.known: dict[int, tuple[int, str, str]] = {7: (5, "chrome.exe", "C:\\chrome.exe")}
        self.raw_works = True
        self.capture = EtwCapture(
            api=lambda: self.api,
            counters=lambda: self,
            interfaces=lambda _now: (self.rx, self.tx),
            executables=Executables(0, self),
            send=lambda: SENT,
            now_ns=lambda: self.now_ns,
            sleep=self.sleep,
            allowed=lambda: None,
        )

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    def flush(self, raw: bool) -> None:
        if self.pending and self.api.feed is not None and (self.raw_works or not raw):
            self.api.feed.parser.add_buffer(buffer(self.pending))
            self.pending = []

    def datagrams(self) -> int:
        return self.system_datagrams

    def forwarded(self) -> int:
        return self.passed_on

    def processes(self, pids: list[int]) -> dict[int, int]:
        return {}

    def executable(self, pid: int) -> tuple[int, str, str] | None:
        return self.known.get(pid)

    def poll(self, *records: bytes, rx: int = 0, tx: int = 0) -> Sample:
        self.now_ns += S
        self.pending = list(records)
        sample = self.capture.poll()
        self.rx, self.tx = rx, tx
        return sample


def download(pid: int, size: int) -> bytes:
    return record(11, v4(pid, size, "93.184.216.34", "10.0.0.2", 443, 50_000))


def test_a_proven_session_counts_and_names() -> None:
    rig = Rig()
    rig.capture.start()
    sample = rig.poll(download(7, 1_460), download(4, 10), download(0, 10), download(99, 10))
    owners = {d.owner.name if d.owner else None: d.rx_bytes for d in sample.deltas}
    assert owners == {"chrome.exe": 1_500, "System": 50, None: 50}
    assert sample.late_ns == backend.LATE_NS
    assert sample.lost == 0
    assert rig.api.opened_raw
    rig.capture.stop()
    assert not rig.api.sessions
    assert rig.capture.poll() == Sample(())


def test_a_process_that_is_gone_goes_by_the_name_that_its_start_told() -> None:
    rig = Rig()
    rig.capture.start()
    image = "\\Device\\HarddiskVolume3\\tools\\curl.exe"
    sample = rig.poll(process_start(4, 99, 133_000_000_000_000_000, image), download(99, 10))
    (delta,) = sample.deltas
    assert delta.owner is not None
    assert (delta.owner.name, delta.owner.exe) == ("curl.exe", "")
    reused = rig.poll(process_start(4, 7, 133_000_000_000_000_000, "\\Device\\X\\new.exe"), download(7, 10))
    assert reused.deltas[0].owner is not None
    assert reused.deltas[0].owner.name == "new.exe", "the id of a process that is remembered was given out again"
    rig.capture.stop()


def test_events_that_do_not_show_the_canary_are_not_believed() -> None:
    rig = Rig(events=canary_records(os.getpid(), tcp=999), raw=False)
    with pytest.raises(CaptureUnavailable, match=r"TCPv4: 999 of 1000 bytes received and 999 sent; TCPv6"):
        rig.capture.start()
    assert not rig.api.sessions
    assert rig.api.open_traces == 0


def test_the_canary_of_another_process_is_no_proof() -> None:
    with pytest.raises(CaptureUnavailable, match="TCPv4: 0 of 1000"):
        Rig(events=canary_records(os.getpid() + 1)).capture.start()


def test_raw_buffers_that_cannot_be_read_give_way_to_single_events() -> None:
    rig = Rig()
    rig.raw_works = False
    rig.capture.start()
    assert rig.api.opened_raw is False
    assert rig.api.calls.count("start") == 2
    rig.capture.stop()
    assert not rig.api.sessions


def test_datagrams_that_loopback_does_not_show_are_a_note() -> None:
    rig = Rig(events=canary_records(os.getpid(), udp=False))
    rig.capture.start()
    assert "do not show datagrams over loopback" in rig.poll().notes[0]
    rig.capture.stop()


def test_losses_are_counted_once() -> None:
    rig = Rig()
    rig.capture.start()
    rig.api.losses = Lost(5, 2)
    assert rig.poll(record(11, bytes(8))).lost == 8, "five events, two buffers, one record that could not be read"
    assert rig.poll().lost == 0
    rig.capture.stop()


def test_a_session_that_was_ended_from_outside_is_an_error_for_the_runner() -> None:
    rig = Rig()
    rig.capture.start()
    rig.api.stop(NAME)
    assert rig.capture._session is not None
    assert rig.capture._session._thread is not None
    rig.capture._session._thread.join(10)
    with pytest.raises(CaptureUnavailable, match="ended from outside"):
        rig.poll()
    rig.capture.stop()


def window(rig: Rig, estimated: int, counted: int) -> list[str]:
    """One window of traffic; the notes."""
    notes: list[str] = []
    for _ in range(21):
        notes += rig.poll(download(7, estimated // 20), rx=counted // 20).notes
    return notes


def test_three_windows_that_do_not_fit_make_it_doubtful_and_a_good_one_ends_that() -> None:
    rig = Rig()
    rig.capture.start()
    said: list[str] = []
    for _ in range(4):
        said += window(rig, 40_000_000, 100_000_000)
    assert [note for note in said if note.startswith("capture doubtful: applications received")]
    assert rig.capture.blind_to[0].startswith("the truth for certain: applications received")
    for _ in range(2):
        said += window(rig, 100_000_000, 103_000_000)
    assert said[-1] == "capture is no longer doubtful: events and interfaces agree again"
    assert "truth" not in rig.capture.blind_to[0]
    rig.capture.stop()


def test_nothing_is_scaled_while_it_is_doubtful() -> None:
    rig = Rig()
    rig.capture.start()
    for _ in range(4):
        window(rig, 40_000_000, 100_000_000)
    (delta,) = rig.poll(download(7, 1_460), rx=1).deltas
    assert delta.rx_bytes == 1_500
    rig.capture.stop()


def test_without_the_right_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = EtwCapture(interfaces=lambda _now: None)
    with pytest.raises(CaptureUnavailable) as caught:
        capture.start()
    assert "\n" not in str(caught.value)
    assert str(caught.value) == "runs on Windows alone" or "administrator" in str(caught.value)
    capture.stop()


def test_the_real_canary_travels_over_loopback_and_is_found_in_events_that_show_it() -> None:
    sent = canary.send()
    assert {"TCPv4", "UDPv4"} <= {one.way for one in sent}
    parser, pid = Parser(), 42
    numbers = {"TCPv4": (10, 11), "TCPv6": (26, 27), "UDPv4": (42, 43), "UDPv6": (58, 59)}
    for one in sent:
        ends = LOOP * 2 if one.way.endswith("6") else socket.inet_aton("127.0.0.1") * 2
        payload = struct.pack("<II", pid, one.size) + ends + struct.pack(">HH", *sorted(one.ports))
        parser.add_buffer(buffer(record(number, payload) for number in numbers[one.way]))
    seen = Sightings(sent, pid)
    assert len(seen.missing()) == len(sent)
    seen.add(parser.take())
    assert seen.missing() == ()
