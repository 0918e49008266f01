"""The default gateway on Linux: ``/proc/net/route`` and ``/proc/net/arp`` of this network namespace. proc(5)."""

import socket
import struct
from pathlib import Path

_GATEWAY_FLAG = 0x2


def gateway() -> str | None:
    """The IPv4 gateway of the default route with the least metric; None without one."""
    found: list[tuple[int, str]] = []
    for words in _rows("/proc/net/route"):
        if len(words) >= 8 and words[1] == "00000000" and words[7] == "00000000" and int(words[3], 16) & _GATEWAY_FLAG:
            found.append((int(words[6]), socket.inet_ntoa(struct.pack("=I", int(words[2], 16)))))
    return min(found)[1] if found else None


def gateway_mac(address: str) -> str | None:
    """The gateway's hardware address, as long as it was talked to lately."""
    return next((words[3] for words in _rows("/proc/net/arp") if len(words) >= 4 and words[0] == address), None)


def _rows(path: str) -> list[list[str]]:
    try:
        return [line.split() for line in Path(path).read_text(encoding="ascii").splitlines()[1:]]
    except (OSError, UnicodeDecodeError):
        return []
