"""The network that this machine is in now: its default route's interface and gateway, and the interface's counters.

The gateway comes from ``network.gateway``; where there is none, the network goes by this machine's own address.
Counters come from psutil, which reads the same on every system.
"""

import hashlib
import socket
import sys
from dataclasses import dataclass
from typing import Final

import psutil

from qos.system.network.gateway import gateway_to

if sys.platform == "linux":
    from qos.system.network.neighbour_linux import hardware_address
elif sys.platform == "win32":
    from qos.system.network.neighbour_windows import hardware_address
else:

    def hardware_address(address: str) -> str | None:
        """Not known on this system."""
        return None


_FAR: Final = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses (RFC 5737, RFC 3849): a route to them is the default route; nothing is sent."""
_ETHERNET_BYTES: Final = 14


@dataclass(frozen=True, slots=True)
class Network:
    """``key``: a hash that is the same whenever this machine is in the same network; says nothing about it."""

    key: str
    interface: str
    gateway: str | None
    header_bytes: int
    """What the interface counts per packet on top of IP."""
    certain: bool = True
    """Whether the gateway's hardware address is in the key; without it another network may have the same one."""


@dataclass(frozen=True, slots=True)
class LineBytes:
    """What passed the interface since it came up, at the IP layer."""

    down: int
    up: int


def network() -> Network | None:
    """The network behind the default route; None without one."""
    address = next((found for far in _FAR if (found := _own_address(far))), None)
    if address is None:
        return None
    for name, rows in psutil.net_if_addrs().items():
        if any(row.address.partition("%")[0] == address for row in rows):
            hop = next((way.address for far in _FAR if (way := gateway_to(far)) is not None), None)
            # Two homes may both call their gateway 192.168.1.1: its hardware address tells them apart.
            mac = hardware_address(hop) if hop is not None else None
            words = f"{hop} {mac}" if hop is not None else f"{name} {address}"
            framed = any(row.family == psutil.AF_LINK and row.address.strip("0:-") for row in rows)
            key = hashlib.sha256(f"autoqos {words}".encode()).hexdigest()[:16]
            return Network(key, name, hop, _ETHERNET_BYTES if framed else 0, mac is not None)
    return None


def line_bytes(where: Network) -> LineBytes | None:
    """The interface's counters now; None when it is gone."""
    found = psutil.net_io_counters(pernic=True, nowrap=False).get(where.interface)
    if found is None:
        return None
    head = where.header_bytes
    return LineBytes(
        max(0, found.bytes_recv - head * found.packets_recv), max(0, found.bytes_sent - head * found.packets_sent)
    )


def _own_address(far: str) -> str | None:
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))
            return str(probe.getsockname()[0])
    except OSError:
        return None
