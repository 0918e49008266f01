"""A packet port without a kernel, and patience."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from qos.packets.divert import Drained, RawPacket


class FakeReceiver:
    """A queue with an end."""

    def __init__(self, text: str, log: list[str]) -> None:
        self.text, self.log = text, log
        self.queue: queue.Queue[RawPacket | Exception | None] = queue.Queue()
        self.shut = self.closed = False
        self.lost_packets = 0

    def give(self, *packets: RawPacket) -> None:
        for packet in packets:
            self.queue.put(packet)

    def recv(self, timeout_s: float | None = None) -> list[RawPacket]:
        if self.shut and self.queue.empty():
            raise Drained
        found = self.queue.get(timeout=timeout_s)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise Drained
        return [found]

    def drain(self) -> list[RawPacket]:
        self.shutdown_recv()
        found = []
        while not self.queue.empty():
            packet = self.queue.get()
            if isinstance(packet, RawPacket):
                found.append(packet)
        return found

    def lost(self) -> int:
        return self.lost_packets

    def shutdown_recv(self) -> None:
        if not self.shut:
            self.shut = True
            self.log.append(f"shut {self.text}")
            self.queue.put(None)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.log.append(f"close {self.text}")


class FakePort:
    """Receivers and a sender that remember."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.receivers: dict[str, FakeReceiver] = {}
        self.sent: list[RawPacket] = []
        self.stuck = threading.Event()
        self.stick = False
        self.refuse = False

    def receiver(self, text: str) -> FakeReceiver:
        if text == "refused":
            raise OSError(5, "no")
        self.log.append(f"open {text}")
        self.receivers[text] = FakeReceiver(text, self.log)
        return self.receivers[text]

    def sender(self) -> "FakePort":
        self.log.append("open sender")
        return self

    def send(self, packets: Sequence[RawPacket]) -> int:
        if self.stick:
            self.stuck.wait(10)
        if self.refuse:
            return 0
        self.sent += packets
        return len(packets)

    def close(self) -> None:
        self.log.append("close sender")


def until(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)
