"""What the tests of opening share: a point to write, and a file system of their own that is soon full or read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qos.contract.points import AppTraffic
from tests import require

START = 1_763_690_400 * 10**9


def point(at: int = 0, app: str = "chrome") -> AppTraffic:
    """One second's traffic, ``at`` seconds after the start."""
    return AppTraffic(
        time_ns=START + at * 10**9,
        host="desk",
        app=app,
        rx_bytes=1,
        tx_bytes=1,
        rx_packets=1,
        tx_packets=1,
        flows=1,
        processes=1,
        priority=3,
    )


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of so many megabytes on ``folder``, which is made; needs root."""
    require.linux_root()
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "autoqos-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
