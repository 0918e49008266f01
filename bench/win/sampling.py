"""What is measured beside the call: the bytes of the interfaces, and the processor time of the enforcer."""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.lab import ETHERNET_BYTES


class Sampler:
    """What the interfaces counted, five times a second: bytes of the IP layer that came in at both ends.

    ``inside`` is a process in the host ("down") and one in the peer ("up"): what /proc says of its network is read.
    """

    def __init__(self, inside: Mapping[str, int]) -> None:
        self._files = {way: Path(f"/proc/{pid}/net/dev") for way, pid in inside.items()}
        self.rows: list[tuple[float, int, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            try:
                down, up = (received(self._files[way].read_text(encoding="ascii")) for way in ("down", "up"))
            except OSError:
                continue  # the process is not there yet, or not any more
            self.rows.append((time.monotonic(), down, up))

    def stop(self) -> list[tuple[float, int, int]]:
        self._stop.set()
        self._thread.join()
        return self.rows


def received(text: str) -> int:
    """IP bytes received by a namespace's Ethernet interfaces; ``text`` is its /proc/net/dev.

    What is no wire counts nothing: the loopback, one limit's mirror, our own devices, a VPN, the delayed path's ends.
    """
    total = 0
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        wire = not name.strip().startswith(("lo", "ifb", "vpn", "autoqos")) and not name.strip().endswith(("tp", "td"))
        if wire and fields:
            total += int(fields[0]) - ETHERNET_BYTES * int(fields[1])
    return total


class CpuOf:
    """CPU of one process between two looks, percent of one core."""

    def __init__(self, pid: int) -> None:
        self.file, self.then = Path(f"/proc/{pid}/stat"), time.monotonic()
        self.spent = self._spent()

    def _spent(self) -> float:
        fields = self.file.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def percent(self) -> float:
        return round(100 * (self._spent() - self.spent) / (time.monotonic() - self.then), 1)
