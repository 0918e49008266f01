"""The layouts of the events that are read, as the system lays them out in memory on x64 and ARM64. Pure.

Sources: the manifest of Microsoft-Windows-Kernel-Network (unchanged from Windows 7 to Windows 11 26H1), of
Microsoft-Windows-Kernel-Process, and learn.microsoft.com for ETW_BUFFER_HEADER and EVENT_HEADER. Integers are little
endian, addresses and ports are in network byte order. What follows the fixed part of a payload is never relied upon.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

NETWORK: Final = UUID("7dd42a49-5329-4832-8dfd-43d979153a88")
"""Microsoft-Windows-Kernel-Network."""
NETWORK_KEYWORDS: Final = 0x30
"""IPv4 and IPv6."""
PROCESS: Final = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
"""Microsoft-Windows-Kernel-Process."""
PROCESS_KEYWORDS: Final = 0x10
PROCESS_START: Final = 1
LEVEL: Final = 4

BUFFER_HEADER_BYTES: Final = 72
FILLED_AT: Final = 48
"""In the buffer header: bytes in use, the header included (u32)."""
EVENT_HEADER_BYTES: Final = 80
EVENT_HEADER_64: Final = 0xC013
"""The marker of a record that begins with a 64-bit EVENT_HEADER."""
EXTENDED: Final = 0x1
"""In EVENT_HEADER.Flags (u16 at 4): extended items stand before the payload."""

V4_PAYLOAD: Final = 20
V6_PAYLOAD: Final = 44


@dataclass(frozen=True, slots=True)
class Kind:
    """One event that counts bytes."""

    transmit: bool
    family: int
    """4 or 6."""
    udp: bool
    payload: int
    """Bytes of payload that must be there."""
    segment: int
    """Payload bytes in a full packet at an MTU of 1500."""
    header: int
    """IP and transport header bytes of one packet."""
    repeated: bool = False
    """A retransmission."""


KINDS: Final[dict[int, Kind]] = {
    10: Kind(True, 4, False, V4_PAYLOAD, 1460, 40),
    11: Kind(False, 4, False, V4_PAYLOAD, 1460, 40),
    14: Kind(True, 4, False, V4_PAYLOAD, 1460, 40, True),
    26: Kind(True, 6, False, V6_PAYLOAD, 1440, 60),
    27: Kind(False, 6, False, V6_PAYLOAD, 1440, 60),
    30: Kind(True, 6, False, V6_PAYLOAD, 1440, 60, True),
    42: Kind(True, 4, True, V4_PAYLOAD, 1472, 28),
    43: Kind(False, 4, True, V4_PAYLOAD, 1472, 28),
    58: Kind(True, 6, True, V6_PAYLOAD, 1452, 48),
    59: Kind(False, 6, True, V6_PAYLOAD, 1452, 48),
}
"""By event id, never by opcode (the IPv6 events reuse those of IPv4). 18 and 34 ("copied in protocol on behalf of
user") are left out on purpose: they report received bytes a second time."""
