"""The ``Datapath`` in the kernel: who has which ports becomes entries of tables, rates become classes of HTB.

No packet is seen here. Counters come from the programs' tables. It fails open: every hook is a link held by this
process, a device of ours that vanishes ends the session, and a watchdog process ends us when we are stopped.
"""

import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from enforcer.datapath.flow_owners import NUMBER_OF, NUMBERS, Events, FlowOwners, apps_of
from enforcer.datapath.kernel import attachments as hooks
from enforcer.datapath.kernel import devices as links
from enforcer.datapath.kernel.layout import MAX_CLASSES, NOBODY, Rule, name_key, port_key, process_key
from enforcer.failsafe.watchdog import Watchdog
from enforcer.qdisc.classifier import ClassStats, RateLimits
from enforcer.qdisc.codel import KEEP_PACKETS, LINUX, aim_for
from enforcer.qdisc.queued_packet import Counts
from qos.bpf import cgroup_linux, system_linux
from qos.contract.direction import Direction
from qos.contract.documents.engine import EngineReport
from qos.packets.divert import FlowEvents
from qos.packets.flows import SocketRow
from qos.policy.applications import ProcessIdentity
from qos.system.clock import NS_PER_MS, NS_PER_S, Clock
from qos.system.processes import Processes
from qos.system.sockets import sockets

assert sys.platform == "linux"

_log = logging.getLogger(__name__)

_FREE_BPS: Final = 40_000_000_000
"""A class is emptied at this rate before its packets pass by it: nothing is lost, nothing overtakes."""
_EMPTY_S: Final = 0.005
_BEAT_S: Final = 0.1
_BOUND_NS: Final = 300 * NS_PER_MS
_FRAME_BYTES: Final = 1514


@dataclass(frozen=True, slots=True)
class KernelTools:
    """What a session opens: the real things, or a test's."""

    clock: Clock
    processes: Processes
    events: Callable[[], Events] = FlowEvents
    sockets: Callable[[], Sequence[SocketRow]] = sockets


@dataclass(frozen=True, slots=True)
class KernelDatapath:
    """The factory of sessions: no packet leaves the kernel."""

    tools: KernelTools

    def available(self) -> str | None:
        """Why this kernel cannot, as far as that is known without making devices and loading programs; or None."""
        if not system_linux.tcx_there():
            return f"Linux {platform.release()} has no tcx hooks (6.6 has them)"
        try:
            cgroup_linux.cgroup2_root()
        except OSError as error:
            return error.strerror
        return None

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> "KernelSession":
        """An open session. Packet rate and hold-off mean nothing here. Raises OSError."""
        return KernelSession(self.tools, own=own)

    def tidy(self) -> None:
        """Take away what a process that died left behind."""
        links.remove_leftovers()


@dataclass(slots=True)
class _Class:
    """An application's class: its number, and per direction the rule in force."""

    number: int
    rules: dict[Direction, Rule] = field(default_factory=dict)
    released: dict[Direction, int] = field(default_factory=dict)
    """Bytes that have left, as they were last told."""


@dataclass(frozen=True, slots=True)
class _Queues:
    """Our devices and the programs that send packets into them."""

    devices: links.Devices
    attachments: hooks.Attachments

    @classmethod
    def open(cls) -> Self:
        """Raises OSError; nothing is left behind then."""
        devices = links.Devices()
        try:
            return cls(devices, hooks.Attachments(devices))
        except BaseException:
            devices.close()
            raise

    def empty(self, which: Sequence[tuple[int, Direction]]) -> None:
        """Let what waits in these classes go. Raises OSError."""
        for number, side in which:
            self.devices.hold(number, _FREE_BPS, received=side == "down")
        if which:
            time.sleep(_EMPTY_S)

    def close(self) -> None:
        """Detach, then take the devices away."""
        self.attachments.close()
        time.sleep(_EMPTY_S)  # a packet on its way through the pair
        self.devices.close()


class KernelSession:
    """See the module. Raises OSError when opened."""

    def __init__(self, tools: KernelTools, *, own: frozenset[int]) -> None:
        self.failed: str | None = None
        self._tools = tools
        self._classes: dict[str, _Class] = {}
        self._free = list(range(MAX_CLASSES - 1, 0, -1))
        self._ports: dict[bytes, int] = {}
        self._names: dict[bytes, int] = {}
        self._own = own
        self._processes: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self._owners: dict[tuple[Any, int], frozenset[str]] = {}
        self._known: frozenset[str] = frozenset()
        self._round = 0
        self._notes: list[str] = []
        self._said: set[str] = set()
        self._stopped = threading.Event()
        self._watchdog = Watchdog()
        self._flow_owners = FlowOwners(
            tools.processes, tools.clock, on_flow=self._flow, sockets=tools.sockets, events=tools.events
        )
        self._queues: _Queues | None = None
        self._pulse = threading.Thread(target=self._beat, name="enforcer-pulse", daemon=True)
        try:
            self._flow_owners.set_own(own)
            self._flow_owners.start()
            self._queues = _Queues.open()
            self._pulse.start()
            self._flow_owners.settle()
        except BaseException:
            self.close("could not be opened")
            raise

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            self._watchdog.beat()

    @property
    def opened(self) -> bool:
        """True: it is open as soon as it is made."""
        return True

    @property
    def in_force(self) -> bool:
        """True: who shall be held is held when ``set_rates`` returns."""
        return True

    @property
    def present(self) -> frozenset[str]:
        """The applications that have flows."""
        return apps_of(self._owners)

    @property
    def identities(self) -> Mapping[str, ProcessIdentity]:
        """What is known of them."""
        return self._flow_owners.identities()

    def wait(self, seconds: float) -> bool:
        """Return after ``seconds``, or (True) as soon as an application came that was not there before."""
        return self._flow_owners.changed.wait(seconds)

    def refresh(self, own: frozenset[int]) -> None:
        """See who has which ports now, and whether our devices and everybody's interfaces are what they were."""
        queues = self._queues
        if queues is None:
            return
        self._flow_owners.set_own(own)
        self._own = own
        self._flow_owners.changed.clear()
        self._flow_owners.refresh()
        self._owners = dict(self._flow_owners.owners())
        self._known = self.present
        if (gone := queues.devices.missing()) is not None:
            self.failed = f"the device {gone} was taken away or set down by somebody else"
            queues.attachments.close()  # at once: what goes into it is lost
            return
        queues.devices.follow_frames()
        queues.attachments.follow_interfaces()
        for name in queues.attachments.unreached - self._said:
            self._said.add(name)
            self._notes.append(f"nothing can be held on {name}: its interface number is above 65535")

    def stats(self) -> dict[str, dict[Direction, ClassStats]]:
        """How every class does."""
        if self._queues is None or self.failed is not None:
            return {}
        attachments = self._queues.attachments
        now_ns = self._tools.clock.monotonic_ns()
        seen, self._round = self._round, self._round + 1
        result: dict[str, dict[Direction, ClassStats]] = {}
        for app, held in self._classes.items():
            sides: dict[Direction, ClassStats] = {}
            for side, before in held.rules.items():
                state = attachments.state(side, held.number)
                rule = held.rules[side] = replace(before, round=self._round)
                attachments.set_rule(side, held.number, rule)
                waiting_ns = max(state.clear_ns - now_ns, 0)
                backlog = waiting_ns * (state.clock_rate or rule.rate) // NS_PER_S
                # The programs count what comes in; released is what has left: never less than it was.
                released = max(state.passed_bytes - backlog, held.released.get(side, 0))
                held.released[side] = released
                counts = Counts(
                    state.packets + state.dropped,
                    state.packets,
                    state.delayed,
                    state.dropped,
                    state.marked,
                    released,
                    state.dropped_bytes,
                )
                backlog = max(state.passed_bytes - released, 0)
                worst = max(state.worst_ns if state.worst_round == seen else 0, waiting_ns)
                sides[side] = ClassStats(counts, backlog, worst, rule.rate * 8)
            result[app] = sides
        return result

    def set_rates(self, rates: Mapping[str, RateLimits], *, ready: bool = False) -> None:
        """Hold these applications to these rates, from the next packet on. Raises OSError."""
        queues = self._queues
        if queues is None or self.failed is not None:
            return
        self._let_go(queues, {app for app in self._classes if app not in rates})
        for app, wanted in rates.items():
            held = self._classes.get(app)
            if held is None:
                if not self._free:
                    raise ValueError(f"more than {MAX_CLASSES - 1} applications limited at once")
                held = self._classes[app] = _Class(self._free.pop())
            self._hold(queues, held, "down", wanted.down_bps)
            self._hold(queues, held, "up", wanted.up_bps)
        self._write_ports(queues.attachments)
        self._write_makers(queues.attachments)

    def _hold(self, queues: _Queues, held: _Class, side: Direction, rate_bps: int | None) -> None:
        rule = held.rules.get(side)
        if rate_bps is None:
            if rule is not None:
                self._empty(queues, [(held, side)])
            return
        rate = max(rate_bps // 8, 1)
        if rule is not None and rule.rate == rate:
            return
        if rule is None:
            queues.attachments.clear(side, held.number)
            held.released.pop(side, None)
        queues.devices.hold(held.number, rate_bps, received=side == "down")
        aim = aim_for(LINUX, rate_bps)
        if side == "down":
            # The last packets of a queue are never dropped, as the other datapath keeps them (enforcer.qdisc.codel).
            target_ns = max(aim.target_ns, KEEP_PACKETS * _FRAME_BYTES * NS_PER_S // rate)
            bound_ns = max(_BOUND_NS, 4 * target_ns)
        else:  # TCP is held back at its source; what sends on all the same finds a queue of so many bytes full
            target_ns, bound_ns = 0, links.UP_QUEUE_BYTES * NS_PER_S // rate
        held.rules[side] = Rule(True, rate, target_ns, aim.interval_ns, bound_ns, self._round)
        queues.attachments.set_rule(side, held.number, held.rules[side])

    def _empty(self, queues: _Queues, which: Sequence[tuple[_Class, Direction]]) -> None:
        """Let what waits go, then let packets pass by."""
        queues.empty([(held.number, side) for held, side in which])
        for held, side in which:
            queues.attachments.lift(side, held.number, held.rules.pop(side))

    def _let_go(self, queues: _Queues, apps: set[str]) -> None:
        if not apps:
            return
        gone = [self._classes.pop(app) for app in apps]
        self._empty(queues, [(held, side) for held in gone for side in tuple(held.rules)])
        self._write_ports(queues.attachments)
        self._write_makers(queues.attachments)
        queues.attachments.forget_early()
        self._free += [held.number for held in gone]

    def _write_ports(self, attachments: hooks.Attachments) -> None:
        """Every port whose owner is known: a program that guessed by a name learns better."""
        ports = {}
        for (protocol, port), apps in self._owners.items():
            held = self._classes.get(next(iter(apps))) if len(apps) == 1 else None
            ports[port_key(NUMBER_OF[protocol], port)] = held.number if held is not None else NOBODY
        with self._lock:
            attachments.set_ports(self._ports, ports)
            self._ports = ports

    def _write_makers(self, attachments: hooks.Attachments) -> None:
        """Who makes sockets: names of processes that mean exactly one application, and the processes that are known."""
        owners: dict[bytes, set[str]] = {}
        for app, identity in self.identities.items():
            if (key := name_key(identity.name)) is not None:
                owners.setdefault(key, set()).add(app)
        for app in self._classes:
            if (key := name_key(app)) is not None:
                owners.setdefault(key, set()).add(app)
        names = {
            key: self._classes[app].number
            for key, apps in owners.items()
            if len(apps) == 1 and (app := next(iter(apps))) in self._classes
        }
        attachments.set_names(self._names, names)
        self._names = names
        processes = {
            process_key(pid): self._classes[app].number if app in self._classes else NOBODY
            for pid, app in self._flow_owners.apps_by_pid().items()
        }
        processes |= dict.fromkeys(map(process_key, self._own), NOBODY)
        attachments.set_processes(self._processes, processes)
        self._processes = processes

    def _flow(self, protocol: int, port: int, app: str) -> bool:
        """A new flow, from the events' thread; whether the loop must look at once."""
        held = self._classes.get(app)
        queues = self._queues
        if queues is not None and self.failed is None and protocol in NUMBERS:
            key, number = port_key(protocol, port), held.number if held is not None else NOBODY
            with self._lock:
                if self._ports.get(key) != number:
                    queues.attachments.set_ports({}, {key: number})
                    self._ports[key] = number
        return held is None and app not in self._known

    def set_max_packet_rate(self, rate: int | None) -> None:
        """No bound is needed: no packet passes through this process."""

    def take_notes(self) -> list[str]:
        """What happened since the last call that somebody should know."""
        notes, self._notes = self._notes + self._flow_owners.take_notes(), []
        return notes

    def describe(self) -> EngineReport:
        """For the ``limits`` document."""
        attached = self._queues.attachments.count if self._queues is not None and self.failed is None else 0
        return EngineReport(handles=attached, datapath="kernel", ports=len(self._ports), classes=len(self._classes))

    def close(self, reason: str) -> None:
        """Let what waits go, detach, take the devices away. Safe to call twice."""
        self._flow_owners.stop()
        queues, self._queues = self._queues, None
        if queues is not None:
            if self.failed is None:
                try:
                    queues.empty([(held.number, side) for held in self._classes.values() for side in held.rules])
                except OSError as error:
                    _log.warning("what waited could not be let go: %s", error)
            queues.close()
        self._stopped.set()
        if self._pulse.ident is not None:
            self._pulse.join(1)
        self._watchdog.close()
