"""Interfaces through psutil, for every system but Linux: no kinds and no index, so their nature is told by the name.

Windows counts the Ethernet header of each packet; its tunnel adapters (Wintun, WireGuard) carry bare IP packets.
"""

import psutil

from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.selection import ETHERNET_HEADER, Interface, nature_by_name


def read_interfaces() -> tuple[Interface, ...]:
    """Every interface of this machine. Raises OSError."""
    found = []
    for name, io in psutil.net_io_counters(pernic=True, nowrap=False).items():
        nature = nature_by_name(name)
        counters = InterfaceCounters(
            rx_bytes=io.bytes_recv,
            tx_bytes=io.bytes_sent,
            rx_packets=io.packets_recv,
            tx_packets=io.packets_sent,
            rx_drops=io.dropin,
            tx_drops=max(0, io.dropout),
            rx_errors=io.errin,
            tx_errors=io.errout,
        )
        found.append(Interface(name, 0, nature, 0 if nature == "tunnel" else ETHERNET_HEADER, counters))
    return tuple(found)
