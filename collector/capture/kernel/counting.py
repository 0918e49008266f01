"""The counting programs at work: tables made, programs loaded and linked to the cgroup v2 root, everything given back.

Nothing stays behind: links, programs and tables end with the process, whatever ends it.
"""

import errno
import os
import struct
import sys
from contextlib import ExitStack
from typing import Final

from collector.capture import CaptureUnavailable
from collector.capture.kernel import programs
from collector.capture.kernel.layout import COOKIE_BYTES, FLOW_BYTES, ORIGIN_BYTES, STAT_BYTES, STATS, Maps
from qos.bpf import cgroup_linux
from qos.bpf import system_linux as bpf_system

assert sys.platform == "linux"

MAX_FLOWS: Final = 65_536
_MAX_ORIGINS: Final = 262_144
_MAX_SEEN: Final = 16_384
_MAX_INTERFACES: Final = 4096
_RING_BYTES: Final = 1 << 18
_STAT: Final = struct.Struct("<QQ")


class Counting:
    """The programs and their tables. ``by_interface`` makes them count only what ``interfaces`` lists."""

    def __init__(
        self, *, everywhere: bool, by_interface: bool, max_flows: int = MAX_FLOWS, filter_packets: bool = True
    ) -> None:
        self.namespace = None if everywhere else cgroup_linux.own_namespace()
        self.filtered = self.namespace is not None
        """Whether the packet programs themselves leave other namespaces out (needs Linux 6.15)."""
        self._held = ExitStack()
        try:
            self._make_tables(by_interface=by_interface, max_flows=max_flows)
            self._attach(filter_packets=filter_packets)
        except OSError as error:
            self.close()
            raise CaptureUnavailable(_why(error)) from None
        except BaseException:
            self.close()
            raise

    def _make_tables(self, *, by_interface: bool, max_flows: int) -> None:
        bpf_system.allow_locked_memory()
        self.flows = self._table("qos_flows", bpf_system.HASH, COOKIE_BYTES, FLOW_BYTES, max_flows)
        flags = bpf_system.ON_DEMAND
        self.origins = self._table(
            "qos_origins", bpf_system.HASH, COOKIE_BYTES, ORIGIN_BYTES, _MAX_ORIGINS, flags=flags
        )
        self.stats = self._table("qos_stats", bpf_system.ARRAY, 4, STAT_BYTES, len(STATS))
        self._seen = self._table("qos_seen", bpf_system.LRU_HASH, 8, 8, _MAX_SEEN)
        self.interfaces = (
            self._table("qos_ifaces", bpf_system.HASH, 4, 4, _MAX_INTERFACES, flags=bpf_system.ON_DEMAND)
            if by_interface
            else None
        )
        self.ring = bpf_system.Ring(_RING_BYTES, "qos_ring")
        self._held.callback(self.ring.close)

    def _table(self, name: str, kind: int, *sizes: int, flags: int = 0) -> bpf_system.Table:
        table = bpf_system.Table(name, kind, *sizes, flags=flags)
        self._held.callback(table.close)
        return table

    def _attach(self, *, filter_packets: bool) -> None:
        interfaces = self.interfaces.fd if self.interfaces else None
        maps = Maps(self.flows.fd, self.origins.fd, self.stats.fd, self._seen.fd, self.ring.fd, interfaces)
        skb, sock = bpf_system.CGROUP_SKB, bpf_system.CGROUP_SOCK
        packets = self.namespace if filter_packets else None
        self.filtered = packets is not None
        # Creation first: from then on a socket that counts has an origin, or it is older and in the sock_diag list.
        create = self._load(sock, bpf_system.SOCK_CREATE, programs.note_creation(maps, self.namespace), "create")
        release = self._load(sock, bpf_system.SOCK_RELEASE, programs.note_release(maps, self.namespace), "release")
        try:
            received = self._load(skb, bpf_system.INGRESS, programs.count_packets("rx", maps, packets), "rx")
        except OSError as error:
            if error.errno != errno.EINVAL or packets is None:
                raise
            packets, self.filtered = None, False  # before Linux 6.15 a packet program cannot ask for the namespace
            received = self._load(skb, bpf_system.INGRESS, programs.count_packets("rx", maps, None), "rx")
        sent = self._load(skb, bpf_system.EGRESS, programs.count_packets("tx", maps, packets), "tx")
        cgroup = os.open(cgroup_linux.cgroup2_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._held.callback(os.close, cgroup)
        for program, attach in (
            (create, bpf_system.SOCK_CREATE),
            (release, bpf_system.SOCK_RELEASE),
            (received, bpf_system.INGRESS),
            (sent, bpf_system.EGRESS),
        ):
            self._held.callback(os.close, bpf_system.link_to_cgroup(program, cgroup, attach))

    def _load(self, kind: int, attach: int, text: bytes, name: str) -> int:
        fd = bpf_system.load_program(kind, attach, text, f"qos_{name}")
        self._held.callback(os.close, fd)
        return fd

    def totals(self) -> dict[str, tuple[int, int]]:
        """Packets and bytes so far that went to no flow, by reason (``programs.STATS``)."""
        found = {}
        for at, name in enumerate(STATS):
            packets, size = _STAT.unpack(self.stats.get(struct.pack("<I", at)) or bytes(STAT_BYTES))
            found[name] = (packets, size)
        return found

    def close(self) -> None:
        """Detach and give everything back. Safe to call twice."""
        self._held.close()


def _why(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return error.strerror or str(error)  # no cgroup v2
    if error.errno == errno.EPERM and os.geteuid() == 0:
        return "refused even to root: a container without BPF, or a program that holds the cgroup's root for itself"
    if error.errno in (errno.EPERM, errno.EACCES):
        return "needs root (or the capabilities BPF, NET_ADMIN and PERFMON): run it with sudo"
    if error.errno in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return f"this kernel ({os.uname().release}) refuses the programs, Linux 5.10 or newer takes them: {error}"
    return f"the kernel refused the programs: {error}"
