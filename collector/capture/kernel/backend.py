"""The ``kernel`` backend: per-socket counters kept by small eBPF programs, read once a tick.

The programs count at the cgroup v2 root of this machine (``programs``, ``counting``); here they are read, and what
they counted is put on the sockets' owners (``collector.capture.sockets``). The cost is per socket and tick, not per
packet. Whole packets are counted, so the numbers are those of the wire, exact to the byte, but for what no socket ever
sees: packets forwarded, refused, or sent by the kernel itself - among them the last acknowledgements of a connection
whose socket is already gone (TIME_WAIT).

Sockets of other network namespaces (containers) pass the same programs. Their packets cross this machine's interfaces
as forwarded ones, so they are left out unless ``everywhere``; that there were any is noted.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from collector.capture import CaptureUnavailable, Delta, Owner, Sample
from collector.capture.executables import Executables
from collector.capture.kernel import announcements
from collector.capture.kernel import counting as counting_programs
from collector.capture.kernel.layout import CLOSED, CLOSED_AT, COUNTS, FLOW_BYTES, Flow, Origin
from collector.capture.sockets.new_processes import NewProcesses, first_holders
from collector.capture.sockets.owners import Creator, SocketOwners
from qos.system import clock
from qos.system.sockets import inet_diag_linux
from qos.system.sockets.open_sockets_linux import pids

assert sys.platform == "linux"

_FRESH_NS: Final = 20_000_000
"""One tick looks at a process once."""
_QUIET_POLLS: Final = 2
"""A closed socket is forgotten after so many polls without a packet."""
_SO_COOKIE: Final = 57
_RAW: Final = 3
_ELSEWHERE: Final = "traffic of other network namespaces (containers) is left out"


@dataclass(slots=True)
class _SocketCounters:
    raw: bytes
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    """What was yielded so far, as in ``COUNTS``."""
    quiet: int = 0
    foreign: bool = False


class KernelCapture:
    """Counts by eBPF. ``interfaces``: globs of names to count, None for all; ``everywhere``: all network namespaces.

    ``max_flows``: so many sockets with traffic at once. ``filter_packets=False``: as before Linux 6.15, where a packet
    program cannot ask for the namespace and sockets are told apart here.
    """

    name = "kernel"
    blind_to: tuple[str, ...] = (
        "packets that no socket of this machine sends or receives (forwarded, refused, answered by the kernel)",
        "the traffic inside containers and other network namespaces",
    )

    def __init__(
        self,
        interfaces: Sequence[str] | None = None,
        *,
        everywhere: bool = False,
        max_flows: int = counting_programs.MAX_FLOWS,
        filter_packets: bool = True,
    ) -> None:
        self._globs = tuple(interfaces) if interfaces is not None and "*" not in interfaces else None
        self._everywhere, self._filter_packets, self._max_flows = everywhere, filter_packets, max_flows
        self._counting: counting_programs.Counting | None = None
        self._announced: announcements.AnnouncedProcesses | None = None
        self._flows: dict[int, _SocketCounters] = {}
        self._totals: dict[str, tuple[int, int]] = {}
        self._notes: list[str] = []
        self._said: set[str] = set()

    def start(self) -> None:
        """Attach the programs and learn what was there before them. Raises CaptureUnavailable."""
        if self._counting is not None:
            raise RuntimeError("started twice")
        self._executables = Executables(_FRESH_NS)
        self._totals, self._said = {}, set()
        counting = counting_programs.Counting(
            everywhere=self._everywhere,
            by_interface=self._globs is not None,
            max_flows=self._max_flows,
            filter_packets=self._filter_packets,
        )
        try:
            self._prove(counting)
            self._counting = counting
            self._choose_interfaces(counting)
            if self._pids_are_ours:
                self._announced = announcements.AnnouncedProcesses(counting.ring, self._executables)
                self._announced.start()
            self._owners = SocketOwners(NewProcesses(), _inodes_by_cookie, self._creator)
            self._adopt_existing()
        except BaseException:
            self._counting = counting
            self.stop()
            raise

    def _prove(self, counting: counting_programs.Counting) -> None:
        """A socket made now must have been noted, by this very process."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            raw = counting.origins.get(probe.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8))
        if raw is None:
            raise CaptureUnavailable(
                "sockets made here do not pass the mounted cgroup v2 hierarchy: mount its root, or run on the host"
            )
        # In a PID namespace of our own, the host's PIDs mean other processes in our /proc, or none.
        self._pids_are_ours = Origin.parse(raw).pid == os.getpid()
        if not self._pids_are_ours:
            self._note("in a PID namespace of its own: processes go by their short names, PIDs are the host's")
        if counting.namespace is None and not self._everywhere:
            self._note("before Linux 5.14 containers cannot be told apart: their sockets count as this machine's")

    def _adopt_existing(self) -> None:
        """Sockets older than the programs: whoever holds them now."""
        now_ns = clock.since_boot_ns()
        by_inode = first_holders(pids())
        for entry in inet_diag_linux.sockets():
            if entry.cookie and (pid := by_inode.get(entry.inode)):
                if self._creator(entry.cookie) is None:
                    self._owners.created(entry.cookie, Creator(pid, now_ns))
                    self._executables.look(pid)
                if entry.state == inet_diag_linux.LISTEN and entry.protocol == inet_diag_linux.TCP:
                    self._owners.listening(entry.cookie, (entry.family, entry.local, entry.local_port))

    def poll(self) -> Sample:
        """What was counted since the last poll, by owner."""
        counting = self._counting
        if counting is None:
            raise RuntimeError("not started")
        self._choose_interfaces(counting)
        moved: list[tuple[int, _SocketCounters]] = []
        fresh: list[tuple[int, Flow]] = []
        over: list[int] = []
        patience = _QUIET_POLLS if len(self._flows) < self._max_flows // 2 else 1
        for cookie, raw in _entries(counting):
            seen = self._flows.get(cookie)
            if seen is None:
                seen = self._flows[cookie] = _SocketCounters(raw)
                fresh.append((cookie, Flow.parse(raw)))
                moved.append((cookie, seen))
            elif seen.raw != raw:
                seen.raw, seen.quiet = raw, 0
                moved.append((cookie, seen))
            else:
                seen.quiet += 1
                if seen.quiet >= patience and raw[CLOSED_AT]:
                    over.append(cookie)
        self._find_owners(fresh)
        if moved and self._pids_are_ours:
            self._owners.check_inherited(clock.since_boot_ns())
        deltas = self._deltas(moved)
        self._forget(counting, over)
        return Sample(tuple(deltas), self._lost(counting), self._take_notes())

    def _creator(self, cookie: int) -> Creator | None:
        """Who made this socket, if it was made while the programs ran."""
        assert self._counting is not None
        raw = self._counting.origins.get(cookie.to_bytes(8, "little"))
        if raw is None:
            return None
        origin = Origin.parse(raw)
        return Creator(origin.pid, origin.born_ns, origin.comm)

    def _find_owners(self, fresh: list[tuple[int, Flow]]) -> None:
        """Find the owner of sockets seen for the first time: creators and listeners first, then who was accepted."""
        orphans = []
        for cookie, flow in fresh:
            creator = self._creator(cookie)
            if creator is not None:
                self._owners.created(cookie, creator)
                if flow.protocol == inet_diag_linux.TCP and not flow.remote_port and flow.kind != _RAW:
                    self._owners.listening(cookie, (flow.family, flow.local, flow.local_port))
            elif self._owners.owner(cookie) is None:
                orphans.append((cookie, flow))
        if orphans and self._counting is not None and self._counting.namespace and not self._counting.filtered:
            orphans = self._ours(self._counting, orphans)
        unknown = [
            (cookie, flow)
            for cookie, flow in orphans
            if flow.kind != _RAW and not self._owners.accepted(cookie, (flow.family, flow.local, flow.local_port))
        ]
        if unknown:
            self._search_processes(unknown)

    def _ours(self, counting: counting_programs.Counting, found: list[tuple[int, Flow]]) -> list[tuple[int, Flow]]:
        """Of sockets that nobody noted, those of this network namespace: in its list, or closed here since."""
        listed = _inodes_by_cookie()
        ours = []
        for cookie, flow in found:
            raw = counting.flows.get(cookie.to_bytes(8, "little"))  # now, after the list: it may just have been closed
            if cookie in listed or (raw is not None and raw[CLOSED_AT] == CLOSED):
                ours.append((cookie, flow))
            else:
                self._flows[cookie].foreign = True
                self._note(_ELSEWHERE)
        return ours

    def _search_processes(self, unknown: list[tuple[int, Flow]]) -> None:
        """Neither created nor accepted before our eyes: once, ask the socket list and look through every process."""
        listed = _inodes_by_cookie()
        wanted = {cookie: listed[cookie] for cookie, _ in unknown if listed.get(cookie)}
        by_inode = first_holders(pids()) if wanted else {}
        for cookie, inode in wanted.items():
            if inode in by_inode:
                self._owners.created(cookie, Creator(by_inode[inode], clock.since_boot_ns()))

    def _deltas(self, moved: list[tuple[int, _SocketCounters]]) -> Iterator[Delta]:
        sums: dict[Owner | None, list[int]] = {}
        for cookie, seen in moved:
            before, seen.counts = seen.counts, COUNTS.unpack_from(seen.raw)
            if seen.foreign or before == seen.counts:
                continue
            creator = self._owners.owner(cookie)
            owner = self._name(creator) if creator is not None else None
            rx_bytes, rx_packets, tx_bytes, tx_packets = seen.counts
            rx_before, rx_packets_before, tx_before, tx_packets_before = before
            total = sums.get(owner) or sums.setdefault(owner, [0, 0, 0, 0, 0])
            total[0] += rx_bytes - rx_before
            total[1] += tx_bytes - tx_before
            total[2] += rx_packets - rx_packets_before
            total[3] += tx_packets - tx_packets_before
            total[4] += 1
        for owner, (rx_bytes, tx_bytes, rx_packets, tx_packets, flows) in sums.items():
            yield Delta(owner, rx_bytes, tx_bytes, rx_packets, tx_packets, flows)

    def _name(self, creator: Creator) -> Owner:
        if creator.comm and not self._pids_are_ours:
            return Owner(creator.pid, 0, creator.comm)
        return self._executables.owner(creator.pid, clock.boot_ns() + creator.at_ns, creator.comm)

    def _forget(self, counting: counting_programs.Counting, over: list[int]) -> None:
        if not over:
            return
        keys = [cookie.to_bytes(8, "little") for cookie in over]
        counting.flows.delete_many(keys)
        counting.origins.delete_many(keys)
        self._owners.closed(over)
        for cookie in over:
            del self._flows[cookie]

    def _lost(self, counting: counting_programs.Counting) -> int:
        totals, before = counting.totals(), self._totals
        self._totals = totals
        if totals["elsewhere"][0]:
            self._note(_ELSEWHERE)
        lost = totals["lost"][0] - before.get("lost", (0, 0))[0]
        if lost:
            self._note(f"more than {self._max_flows} sockets at once: some packets could not be counted")
        return lost

    def _choose_interfaces(self, counting: counting_programs.Counting) -> None:
        if counting.interfaces is None or self._globs is None:
            return
        for index, name in socket.if_nameindex():
            key = struct.pack("<I", index)
            if any(fnmatchcase(name, glob) for glob in self._globs):
                counting.interfaces.put(key, key)
            else:
                counting.interfaces.delete(key)

    def _note(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._notes.append(line)

    def _take_notes(self) -> tuple[str, ...]:
        notes, self._notes = tuple(self._notes), []
        return notes

    def stop(self) -> None:
        """Detach the programs and give everything back. Safe to call twice."""
        if self._announced is not None:
            self._announced.stop()
            self._announced = None
        if self._counting is not None:
            self._counting.close()
            self._counting = None
        self._flows.clear()


def _entries(counting: counting_programs.Counting) -> Iterator[tuple[int, bytes]]:
    for keys, values, count in counting.flows.chunks():
        for at, cookie in enumerate(struct.unpack(f"<{count}Q", keys)):
            yield cookie, values[at * FLOW_BYTES : (at + 1) * FLOW_BYTES]


def _inodes_by_cookie() -> dict[int, int]:
    return {entry.cookie: entry.inode for entry in inet_diag_linux.sockets()}
