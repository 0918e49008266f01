"""A neighbour's hardware address on Linux: ``/proc/net/arp`` of this network namespace (proc(5)); IPv4 only."""

from pathlib import Path


def hardware_address(address: str) -> str | None:
    """None when the neighbour was not talked to lately."""
    try:
        lines = Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return None
    rows = (line.split() for line in lines)
    return next((row[3] for row in rows if len(row) >= 4 and row[0] == address and row[3] != "00:00:00:00:00:00"), None)
