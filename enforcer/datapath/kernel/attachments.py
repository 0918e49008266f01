"""The limiting programs in place: tables made, programs loaded, one link for each hook, all held by descriptors.

When this process dies, however it dies, the kernel takes the links away and no packet is held any more.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Final

from enforcer.datapath.kernel import devices, frame, layout, programs
from qos.bpf import cgroup_linux
from qos.bpf import system_linux as bpf_system
from qos.contract.direction import DIRECTIONS, Direction

assert sys.platform == "linux"

_ETHERNET, _LOOPBACK = 1, 772
_ETHERNET_HEADER: Final = 14
_MOST_INDEX: Final = 0xFFFF
"""``tc_index``, in which a packet's interface travels, has 16 bits."""


class Attachments:
    """See the module. Raises OSError."""

    def __init__(self, queues: devices.Devices) -> None:
        self._held = ExitStack()
        self._queues = queues
        self._links: dict[int, tuple[str, tuple[int, ...]]] = {}
        self._programs: dict[tuple[bool, int], int] = {}
        self.unreached: set[str] = set()
        """Interfaces on which nothing can be held."""
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        bpf_system.allow_locked_memory()
        array = bpf_system.ARRAY
        self.ports = self._table("aq_ports", bpf_system.HASH, 4, 4, layout.MAX_PORTS, flags=bpf_system.ON_DEMAND)
        lru, early = bpf_system.LRU_HASH, layout.MAX_EARLY
        self.early = self._table("aq_early", lru, 4, 4, early)
        fragments = self._table("aq_fragments", lru, layout.FRAGMENT_KEY_BYTES, 8, layout.MAX_FRAGMENTED)
        self.born = self._table("aq_born", lru, layout.COOKIE_BYTES, 4, early)
        self.names = self._table("aq_names", bpf_system.HASH, layout.NAME_BYTES, 4, 2 * layout.MAX_CLASSES)
        self.processes = self._table(
            "aq_processes", bpf_system.HASH, 4, 4, layout.MAX_PORTS, flags=bpf_system.ON_DEMAND
        )
        self.roots = self._table("aq_roots", array, 4, 4, layout.ROOTS)
        for at, root in enumerate(layout.roots()):
            self.roots.put(struct.pack("<I", at), struct.pack("<I", root))
        self.rules: dict[Direction, bpf_system.Table] = {}
        self.states: dict[Direction, bpf_system.Table] = {}
        tables: dict[Direction, frame.Tables] = {}
        buckets = self._table("aq_buckets", array, 4, layout.BUCKET_BYTES, layout.MAX_CLASSES * layout.BUCKETS)
        for side in DIRECTIONS:
            self.rules[side] = self._table(f"aq_rules_{side}", array, 4, layout.RULE_BYTES, layout.MAX_CLASSES)
            self.states[side] = self._table(f"aq_states_{side}", array, 4, layout.STATE_BYTES, layout.MAX_CLASSES)
            tables[side] = frame.Tables(
                self.ports.fd,
                self.early.fd,
                self.born.fd,
                self.rules[side].fd,
                self.states[side].fd,
                buckets.fd,
                self.roots.fd,
                fragments.fd,
            )
        tcx, queues = bpf_system.SCHED_CLS, self._queues
        for header in (_ETHERNET_HEADER, 0):
            received = programs.hold_received(tables["down"], queues.down, header_bytes=header)
            sent = programs.hold_sent(tables["up"], queues.near, header_bytes=header)
            self._programs[True, header] = self._load(tcx, bpf_system.TCX_INGRESS, received, "received")
            self._programs[False, header] = self._load(tcx, bpf_system.TCX_EGRESS, sent, "sent")
        back = self._load(tcx, bpf_system.TCX_INGRESS, programs.return_sent(), "return")
        self._held.callback(os.close, bpf_system.link_to_interface(back, queues.far, bpf_system.TCX_INGRESS))
        self._held.callback(self._unlink)
        self.follow_interfaces()
        choose = programs.choose_sent(tables["up"])
        note = programs.note_creation(self.names.fd, self.born.fd, self.processes.fd, cgroup_linux.own_namespace())
        cgroup = os.open(cgroup_linux.cgroup2_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for kind, attach, text, name in (
                (bpf_system.CGROUP_SKB, bpf_system.EGRESS, choose, "choose"),
                (bpf_system.CGROUP_SOCK, bpf_system.SOCK_CREATE, note, "note"),
            ):
                program = self._load(kind, attach, text, name)
                self._held.callback(os.close, bpf_system.link_to_cgroup(program, cgroup, attach))
        finally:
            os.close(cgroup)

    def _table(self, name: str, kind: int, *sizes: int, flags: int = 0) -> bpf_system.Table:
        table = bpf_system.Table(name, kind, *sizes, flags=flags)
        self._held.callback(table.close)
        return table

    def _load(self, kind: int, attach: int, text: bytes, name: str) -> int:
        fd = bpf_system.load_program(kind, attach, text, f"aq_{name}")
        self._held.callback(os.close, fd)
        return fd

    def follow_interfaces(self) -> list[str]:
        """Attach to interfaces that came, forget those that went; the names of those that came."""
        there = {index: name for index, name in socket.if_nameindex() if devices.ours(name) is None}
        for index in self._links.keys() - there.keys():
            for link in self._links.pop(index)[1]:
                os.close(link)
        came = []
        for index in there.keys() - self._links.keys():
            links = self._attach(index, there[index])
            if links is not None:
                self._links[index] = there[index], links
                came.append(there[index])
        return came

    def _attach(self, index: int, name: str) -> tuple[int, ...] | None:
        """The links of one interface; () where nothing is to be held; None when it is gone again."""
        kind = devices.link_type(name)
        if kind is None:
            return None
        if kind == _LOOPBACK:
            return ()
        if index > _MOST_INDEX:
            self.unreached.add(name)
            return ()
        header = _ETHERNET_HEADER if kind == _ETHERNET else 0
        links: list[int] = []
        try:
            for received, hook in ((True, bpf_system.TCX_INGRESS), (False, bpf_system.TCX_EGRESS)):
                links.append(bpf_system.link_to_interface(self._programs[received, header], index, hook))
        except OSError as error:
            for link in links:
                os.close(link)
            if error.errno == errno.ENODEV:
                return None
            raise
        return tuple(links)

    def set_rule(self, side: Direction, number: int, rule: layout.Rule) -> None:
        """In force with the next packet."""
        self.rules[side].put(struct.pack("<I", number), rule.pack())

    def lift(self, side: Direction, number: int, rule: layout.Rule) -> None:
        """Nobody is held by this rule any more, from the next packet on."""
        self.set_rule(side, number, replace(rule, active=False))

    def state(self, side: Direction, number: int) -> layout.ClassState:
        """What the program counted."""
        raw = self.states[side].get(struct.pack("<I", number))
        return layout.ClassState.parse(raw or bytes(layout.STATE_BYTES))

    def clear(self, side: Direction, number: int) -> None:
        """Begin to count anew, before a class's number is used again."""
        self.states[side].put(struct.pack("<I", number), bytes(layout.STATE_BYTES))

    def set_ports(self, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
        """Whose a local port is. Only what changed is written, here and in the two below."""
        _update(self.ports, before, after)

    def set_names(self, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
        """The processes' names that mean a class, from the next socket on."""
        _update(self.names, before, after)

    def set_processes(self, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
        """The processes that are known, from the next socket on."""
        _update(self.processes, before, after)

    def forget_early(self) -> None:
        """What the programs themselves said of ports and sockets: a class number is about to mean somebody else."""
        for table in (self.early, self.born):
            width = table.key_bytes
            found = [
                keys[at : at + width] for keys, _, count in table.chunks() for at in range(0, count * width, width)
            ]
            table.delete_many(found)

    @property
    def count(self) -> int:
        """Links in place."""
        return sum(len(links) for _, links in self._links.values()) + 3

    def _unlink(self) -> None:
        for _, links in self._links.values():
            for link in links:
                with suppress(OSError):
                    os.close(link)
        self._links.clear()

    def close(self) -> None:
        """Detach everything. Safe to call twice."""
        self._held.close()


def _update(table: bpf_system.Table, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
    for key in before.keys() - after.keys():
        table.delete(key)
    for key, number in after.items():
        if before.get(key) != number:
            table.put(key, layout.CLASS_VALUE.pack(number))
