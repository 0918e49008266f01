"""How a target is asked: an ICMP echo where that is allowed, else the time of a TCP handshake.

Linux lets ordinary users send echoes where ``net.ipv4.ping_group_range`` says so, which most distributions do; ping3
uses that by itself. What is refused is tried again now and then, because an administrator may allow it while we run.
"""

from collections.abc import Callable
from typing import Final

from qos.system import clock
from qos.system.clock import Clock
from qos.system.echo import EchoReply, echo
from qos.system.handshake import PORTS, handshake

AGAIN_NS: Final = 600 * 10**9


class Asker:
    """Sends one probe and waits. Several threads use it."""

    def __init__(
        self,
        icmp: Callable[[str, int, int], EchoReply] = echo,
        tcp: Callable[[str, int, int], EchoReply] = handshake,
        time: Clock = clock.SYSTEM,
    ) -> None:
        self._icmp, self._tcp, self._time = icmp, tcp, time
        self._refused_ns: int | None = None
        self._port: dict[str, int] = {}

    def __call__(self, address: str, timeout_ns: int, seq: int) -> EchoReply:
        """One probe of ``address``; ``seq`` is the sequence number."""
        now_ns = self._time.monotonic_ns()
        if self._refused_ns is None or now_ns - self._refused_ns >= AGAIN_NS:
            reply = self._icmp(address, timeout_ns, seq)
            if reply.reason != "no permission":
                self._refused_ns = None
                return reply
            self._refused_ns = now_ns
        at = self._port.get(address, 0)
        reply = self._tcp(address, timeout_ns, PORTS[at])
        if reply.rtt_ns is None and at + 1 < len(PORTS) and seq <= 10:
            self._port[address] = at + 1  # nothing answers on this port: a firewall; the next one is tried
        return reply
