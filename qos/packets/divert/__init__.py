"""Packets and flow events through pydivert: the one place that touches it, the same API on Windows and Linux.

What it decides: how handles are opened, read in batches without losing a packet, drained, swapped, closed and, on
Windows, when the driver is let go. What it must not know: applications, limits, ticks.

* ``Sniffer``: copies of packets, in raw batches, the cheapest path there is.
* ``Diverter``: packets taken out of the stack; each must be sent on by an ``Injector`` or it is gone.
* ``Injector``: puts packets back. Open it before the first ``Diverter`` and close it after the last.
* ``FlowEvents``: which process owns which flow.

A lossless swap of filters: open the new ``Diverter`` at the same priority, ``shutdown_recv`` the old one, send on what
its pump (or ``drain``) still returns until ``Drained``, ``close`` it. Never use priority 0 (on Linux it means "after
every existing handle").

Importing this package loads neither pydivert nor a driver; opening a handle does.
"""

import sys

from qos.packets.divert.address import FlowEvent, FlowKind, RawPacket, SniffedBatch
from qos.packets.divert.errors import Drained, PyDivertMissing
from qos.packets.divert.filters import PortFilter, port_filter, sniff_filter, wide_filter

if sys.platform == "win32":
    from qos.packets.divert.driver_windows import unregister
    from qos.packets.divert.handles_windows import Diverter, FlowEvents, Injector, Sniffer
    from qos.packets.divert.library_windows import available, check_filter
else:
    from qos.packets.divert.handles_linux import Diverter, FlowEvents, Injector, Sniffer
    from qos.packets.divert.library_linux import available, check_filter, unregister

SNIFF_PRIORITY = 1000
"""Above every diverter: the sniffer sees each packet once, before shaping."""
DIVERT_PRIORITY = 500
INJECT_PRIORITY = 499
"""Below every diverter: what is injected is never captured again."""

__all__ = [
    "DIVERT_PRIORITY",
    "INJECT_PRIORITY",
    "SNIFF_PRIORITY",
    "Diverter",
    "Drained",
    "FlowEvent",
    "FlowEvents",
    "FlowKind",
    "Injector",
    "PortFilter",
    "PyDivertMissing",
    "RawPacket",
    "SniffedBatch",
    "Sniffer",
    "available",
    "check_filter",
    "port_filter",
    "sniff_filter",
    "unregister",
    "wide_filter",
]
