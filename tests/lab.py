"""Three network namespaces with real interfaces: host --- router --- peer, and a bottleneck in the router on request.

``with Lab(down_mbit=20) as lab:`` builds them with unique names and removes them whatever happens. Offloads are off, so
packets are at most 1500 bytes as on Windows, neighbours are fixed, so that no ARP or ND disturbs a byte count, and the
only traffic is the test's own. The host of the lab stands for the user's machine: collector and enforcer run in it.
Needs root, iproute2 and ethtool: a test calls ``tests.require.linux_root()`` first.
"""

import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Literal, Self

Where = Literal["host", "router", "peer", "other"]

HOST4: Final = "10.77.0.1"
HOST6: Final = "fd77:0::1"
PEER4: Final = "10.77.1.1"
PEER6: Final = "fd77:1::1"
ETHERNET_BYTES: Final = 14
"""What an interface counts on top of the IP packet."""

_CLONE_NEWNET: Final = 0x40000000
_PLACES: Final[tuple[Where, ...]] = ("host", "router", "peer", "other")
_serial = itertools.count()
# `ip netns exec` mounts a fresh /sys, so cgroup2 and bpffs have to be mounted again to be visible inside.
_INSIDE: Final = 'mount -t cgroup2 none /sys/fs/cgroup && mount -t bpf bpf /sys/fs/bpf && exec "$@"'


@dataclass(frozen=True, slots=True)
class Counters:
    """One interface's counters; subtract two readings. ``*_bytes`` are IP-layer bytes: Ethernet headers taken off."""

    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int

    def __sub__(self, other: "Counters") -> "Counters":
        return Counters(
            self.rx_bytes - other.rx_bytes,
            self.tx_bytes - other.tx_bytes,
            self.rx_packets - other.rx_packets,
            self.tx_packets - other.tx_packets,
        )


class Lab:
    """The namespaces. ``down_mbit``/``up_mbit`` None: no bottleneck; ``buffer_ms`` is the bottleneck's (bloated) queue.

    ``shared``: the bottleneck lies behind the router, and a second host ("other", somebody else at home) uses it too;
    the gateway answers without the queue, as a real one does. ``offloads=True`` leaves TSO/GSO/GRO on, for speed where
    packet sizes do not matter.
    """

    def __init__(
        self,
        *,
        down_mbit: float | None = None,
        up_mbit: float | None = None,
        buffer_ms: float = 500,
        offloads: bool = False,
        shared: bool = False,
    ) -> None:
        self.prefix = f"q{os.getpid():x}{next(_serial):x}"  # interface names hold 15 characters
        self.down_mbit, self.up_mbit, self.buffer_ms, self.offloads = down_mbit, up_mbit, buffer_ms, offloads
        self.shared = shared
        self._programs: list[subprocess.Popen[Any]] = []

    def namespace(self, where: Where) -> str:
        """The namespace's name, for ``ip netns exec`` and ``ip -n``."""
        return f"{self.prefix}_{where[0]}"

    def interface(self, where: Literal["host", "peer", "other"] = "host") -> str:
        """The host's (or peer's) only interface besides loopback."""
        return f"{self.prefix}{where[0]}0"

    def __enter__(self) -> Self:
        try:
            self._up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _up(self) -> None:
        p = self.prefix
        for where in _PLACES if self.shared else _PLACES[:3]:
            _ip("netns", "add", self.namespace(where))
            _ip("-n", self.namespace(where), "link", "set", "lo", "up")
        self._cable("host", f"{p}h0", f"{p}r0", "10.77.0", "fd77:0:")
        self._cable("peer", f"{p}p0", f"{p}r1", "10.77.1", "fd77:1:")
        if self.shared:
            self._cable("other", f"{p}o0", f"{p}r2", "10.77.3", "fd77:3:")
        self._set(self.namespace("router"), "ipv4/ip_forward=1", "ipv6/conf/all/forwarding=1")
        if self.down_mbit is not None or self.up_mbit is not None:
            self.link(self.down_mbit, self.up_mbit, self.buffer_ms)

    def _cable(self, where: Literal["host", "peer", "other"], near: str, far: str, net4: str, net6: str) -> None:
        near_ns, far_ns = self.namespace(where), self.namespace("router")
        _ip("link", "add", near, "netns", near_ns, "type", "veth", "peer", "name", far, "netns", far_ns)
        ends = ((near_ns, near, 1, "1"), (far_ns, far, 254, "fe"))
        for ns, device, last4, last6 in ends:
            # No autoconfigured multicast chatter: the counters hold the test's traffic and nothing else.
            conf = f"ipv6/conf/{device}"
            self._set(ns, f"{conf}/accept_dad=0", f"{conf}/mldv2_unsolicited_report_interval=0")
            _ip("-n", ns, "addr", "add", f"{net4}.{last4}/24", "dev", device)
            _ip("-n", ns, "-6", "addr", "add", f"{net6}:{last6}/64", "dev", device, "nodad")
            if not self.offloads:
                offs = ("tso", "off", "gso", "off", "gro", "off")
                self._exec(ns, "ethtool", "-K", device, *offs)
            _ip("-n", ns, "link", "set", device, "up")
        macs = {device: _link(ns, device)["address"] for ns, device, *_ in ends}
        for (ns, device, *_), (_, other, last4, last6) in zip(ends, reversed(ends), strict=True):
            for address in (f"{net4}.{last4}", f"{net6}:{last6}"):
                _ip("-n", ns, "neigh", "replace", address, "lladdr", macs[other], "dev", device, "nud", "permanent")
        _ip("-n", near_ns, "route", "add", "default", "via", f"{net4}.254")
        _ip("-n", near_ns, "-6", "route", "add", "default", "via", f"{net6}:fe")

    def link(self, down_mbit: float | None, up_mbit: float | None, buffer_ms: float = 500) -> None:
        """Set the bottleneck's rates now; None takes that direction's bottleneck away."""
        down: tuple[Where, str] = ("peer", f"{self.prefix}p0") if self.shared else ("router", f"{self.prefix}r0")
        up: tuple[Where, str] = ("router", f"{self.prefix}r1")
        for (where, device), mbit in ((down, down_mbit), (up, up_mbit)):
            if mbit is None:
                self._exec(self.namespace(where), "tc", "qdisc", "del", "dev", device, "root", check=False)
                continue
            limit = max(int(mbit * 1e6 / 8 * buffer_ms / 1000), 3000)
            rate = f"{int(mbit * 1000)}kbit"
            shape = ("tbf", "rate", rate, "burst", "20kb", "limit", str(limit))
            self._exec(self.namespace(where), "tc", "qdisc", "replace", "dev", device, "root", *shape)

    def _set(self, namespace: str, *settings: str) -> None:
        """Write ``path=value`` settings below ``/proc/sys/net``."""
        write = 'for each; do echo "${each#*=}" >"/proc/sys/net/${each%%=*}"; done'
        self._exec(namespace, "sh", "-ec", write, "sh", *settings)

    def _exec(self, namespace: str, *command: str, check: bool = True) -> None:
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} in {namespace}: {done.stderr.strip() or done.returncode}")

    def command(self, where: Where, *command: str) -> list[str]:
        """The full argument list that runs ``command`` inside, with cgroup2 and bpffs visible."""
        return ["ip", "netns", "exec", self.namespace(where), "sh", "-c", _INSIDE, "sh", *command]

    def run(
        self,
        where: Where,
        *command: str,
        check: bool = True,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and return its text output. RuntimeError with its stderr when it fails and ``check``."""
        done = subprocess.run(
            self.command(where, *command), capture_output=True, text=True, check=False, timeout=timeout, env=env
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} in {where}: status {done.returncode}: {done.stderr[-2000:]}")
        return done

    def start(
        self,
        where: Where,
        *command: str,
        stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = None,
        env: Mapping[str, str] | None = None,
        text: bool = True,
    ) -> subprocess.Popen[Any]:
        """Start a program inside, in a process group of its own; what still runs at the end is killed."""
        program = subprocess.Popen(
            self.command(where, *command),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            text=text,
            start_new_session=True,
        )
        self._programs.append(program)
        return program

    def finish(self, program: subprocess.Popen[Any], by: signal.Signals = signal.SIGTERM, timeout: float = 10) -> int:
        """Signal a program's whole group, wait, kill what is left; its exit status."""
        return _finish(program, by, timeout)

    def counters(self, where: Literal["host", "peer"] = "host") -> Counters:
        """The interface's counters now."""
        stats = _link(self.namespace(where), self.interface(where), "-s")["stats64"]
        rx, tx = stats["rx"], stats["tx"]
        return Counters(
            rx["bytes"] - ETHERNET_BYTES * rx["packets"],
            tx["bytes"] - ETHERNET_BYTES * tx["packets"],
            rx["packets"],
            tx["packets"],
        )

    @contextmanager
    def inside(self, where: Where) -> Iterator[None]:
        """This thread's new sockets belong to the namespace (only the network changes: no mounts, no /sys)."""
        with (
            open("/proc/thread-self/ns/net", "rb") as before,
            open(f"/run/netns/{self.namespace(where)}", "rb") as then,
        ):
            _setns(then.fileno())
            try:
                yield
            finally:
                _setns(before.fileno())

    def socket(self, where: Where, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket of this process that lives in the namespace."""
        with self.inside(where):
            return socket.socket(family, kind)

    def down(self) -> None:
        """Stop what was started and remove the namespaces with everything in them. Safe to call twice."""
        for program in reversed(self._programs):
            _finish(program, signal.SIGTERM, 5)
        self._programs.clear()
        for where in _PLACES:
            subprocess.run(["ip", "netns", "del", self.namespace(where)], capture_output=True, check=False, timeout=60)


def _finish(program: subprocess.Popen[Any], by: signal.Signals, timeout: float) -> int:
    if program.poll() is None:
        for how in (by, signal.SIGKILL):
            try:
                os.killpg(program.pid, how)
                program.wait(timeout)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
            break
    status = program.wait(timeout)
    for stream in (program.stdin, program.stdout, program.stderr):
        if stream is not None:
            stream.close()
    return status


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _link(namespace: str, device: str, *options: str) -> dict[str, Any]:
    answer: Sequence[dict[str, Any]] = json.loads(_ip("-n", namespace, "-j", *options, "link", "show", "dev", device))
    return answer[0]


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":  # a lab to look around in: `sudo python -m tests.lab [DOWN_MBIT UP_MBIT]`
    rates: list[float | None] = [float(value) for value in sys.argv[1:3]] or [None]
    with Lab(down_mbit=rates[0], up_mbit=rates[-1]) as _lab:
        sys.stdout.write(f"{_lab.namespace('host')} {_lab.namespace('router')} {_lab.namespace('peer')}: ctrl-c ends\n")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
