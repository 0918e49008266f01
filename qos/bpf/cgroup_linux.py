"""Where the cgroup v2 hierarchy is, on whose root programs see every socket; and which of the sockets are ours."""

import errno
import socket
import sys
from pathlib import Path
from typing import Final

assert sys.platform == "linux"

_SO_NETNS_COOKIE: Final = 71


def cgroup2_root() -> Path:
    """Its mount point (``/sys/fs/cgroup``, on hybrid systems below it).

    Raises OSError (ENOENT) that says what to do when none is mounted: proc_pid_mountinfo(5) tells.
    """
    best: tuple[int, Path] | None = None
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            fields = left.split()
            depth = 0 if fields[3] == "/" else len(fields[3])
            if best is None or depth < best[0]:
                best = depth, Path(fields[4].encode().decode("unicode_escape"))
    if best is None:
        raise OSError(
            errno.ENOENT,
            "no cgroup v2 hierarchy is mounted: mount one with `mount -t cgroup2 none /sys/fs/cgroup/unified`",
        )
    return best[1]


def own_namespace() -> int | None:
    """The cookie of this process's network namespace; None before Linux 5.14."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
        except OSError:
            return None
