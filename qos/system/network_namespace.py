"""Which network namespace a process is in: flow events are told of all of them, ports mean something in one. Linux."""

import os


def network_of(pid: int | None = None) -> int | None:
    """The namespace's inode, of the calling thread without ``pid``; None where that is not known (Windows; the process
    is gone). Source: network_namespaces(7)."""
    try:
        return os.stat(f"/proc/{'thread-self' if pid is None else pid}/ns/net").st_ino
    except OSError:
        return None
