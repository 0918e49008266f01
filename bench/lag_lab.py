"""Namespaces for bench/lag.py: host --wifi-- router --line-- isp --far-- peer, and another device behind the router.

The bottleneck (a token bucket and a deep FIFO) is the line, both ways, behind the router, as at home: the gateway
answers without the queue. ``wifi`` and ``far`` are joined by ``lag_delay.c``, which delays, jitters and loses in user
space and can be changed while it runs; so can the way to one of the three targets alone. What runs inside goes before
other programs of the machine (real time for the delays, nice -12 for the rest), or their load would be measured, too.
Needs root, iproute2, ethtool, util-linux, cc.
"""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

HERE = Path(__file__).parent
TARGETS = ("10.88.3.1", "10.88.3.2", "10.88.3.3")
SERVER4, SERVER6, GATEWAY = "10.88.3.9", "fd88:3::9", "10.88.1.254"
OTHER_MS = 0.2
_serial = itertools.count()
_INSIDE = 'mount -t cgroup2 none /sys/fs/cgroup && mount -t bpf bpf /sys/fs/bpf && exec "$@"'


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Delay:
    """One ``lag_delay`` between two namespaces. Milliseconds of round trip, loss as a ratio of round trips."""

    def __init__(self, binary: str, a: tuple[str, str], b: tuple[str, str], seed: int) -> None:
        self._program = subprocess.Popen(
            ["chrt", "-f", "5", binary, *a, *b, "0", "0", "0", str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._program.stdout is not None
        if self._program.stdout.readline().strip() != "ready":
            raise RuntimeError("lag_delay did not start")

    def set(self, ms: float, jitter_ms: float = 0, loss: float = 0) -> None:
        assert self._program.stdin is not None
        one_way = 1 - (1 - loss) ** 0.5
        self._program.stdin.write(f"{ms * 500:.0f} {jitter_ms * 500:.0f} {one_way * 1000:.3f}\n")
        self._program.stdin.flush()

    def stop(self) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(10)


class LagLab:
    """Built by ``with``, removed whatever happens. ``links`` in Mbit/s and milliseconds of buffer."""

    def __init__(self, down: float, up: float, buffer_ms: float, seed: int) -> None:
        self.prefix = f"g{os.getpid() % 100000:x}{next(_serial):x}"
        self.down, self.up, self.buffer_ms, self.seed = down, up, buffer_ms, seed
        self.delays: dict[str, Delay] = {}
        self.limited: set[str] = set()
        self._programs: list[subprocess.Popen[Any]] = []
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def ns(self, where: str) -> str:
        return f"{self.prefix}_{where}"

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _build(self) -> None:
        p = self.prefix
        for where in ("h", "r", "i", "p", "x"):
            ip("netns", "add", self.ns(where))
            ip("-n", self.ns(where), "link", "set", "lo", "up")
        binary = str(self.folder / "delay")
        subprocess.run(["cc", "-O2", "-o", binary, str(HERE / "lag_delay.c"), "-lm"], check=True)
        self._cable("r", f"{p}l0", "10.88.2.1/24", "fd88:2::1/64", "i", f"{p}l1", "10.88.2.2/24", "fd88:2::2/64")
        self._cable("x", f"{p}x0", "10.88.4.1/24", "fd88:4::1/64", "r", f"{p}x1", "10.88.4.254/24", "fd88:4::fe/64")
        self._tun(binary, "wifi", "h", "10.88.1.1/24", "fd88:1::1/64", "r", "10.88.1.254/24", "fd88:1::fe/64")
        self._tun(binary, "far", "i", "10.88.5.1/24", "fd88:5::1/64", "p", "10.88.5.2/24", "fd88:5::2/64")
        self._tun(binary, "one", "i", "10.88.6.1/24", "fd88:6::1/64", "p", "10.88.6.2/24", "fd88:6::2/64")
        for where in ("r", "i"):
            for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
                self.call(where, "sysctl", "-qw", setting)
        for address in (*TARGETS, SERVER4):
            ip("-n", self.ns("p"), "addr", "add", f"{address}/32", "dev", "lo")
        ip("-n", self.ns("p"), "-6", "addr", "add", f"{SERVER6}/128", "dev", "lo")
        for where, via4, via6 in (
            ("h", GATEWAY, "fd88:1::fe"), ("x", "10.88.4.254", "fd88:4::fe"), ("r", "10.88.2.2", "fd88:2::2"),
            ("p", "10.88.5.1", "fd88:5::1"),
        ):  # fmt: skip
            ip("-n", self.ns(where), "route", "add", "default", "via", via4)
            ip("-n", self.ns(where), "-6", "route", "add", "default", "via", via6)
        back = self.ns("i")
        for net4, net6 in (("10.88.1.0/24", "fd88:1::/64"), ("10.88.4.0/24", "fd88:4::/64")):
            ip("-n", back, "route", "add", net4, "via", "10.88.2.1")
            ip("-n", back, "-6", "route", "add", net6, "via", "fd88:2::1")
        ip("-n", back, "route", "add", "10.88.3.0/24", "via", "10.88.5.2")
        ip("-n", back, "route", "add", f"{TARGETS[2]}/32", "via", "10.88.6.2")
        ip("-n", back, "-6", "route", "add", "fd88:3::/64", "via", "fd88:5::2")
        # What the third target answers goes back the way it came.
        ip("-n", self.ns("p"), "rule", "add", "from", TARGETS[2], "lookup", "100")
        ip("-n", self.ns("p"), "route", "add", "default", "via", "10.88.6.1", "table", "100")
        self.link(self.down, self.up)

    def _cable(self, a: str, dev_a: str, v4_a: str, v6_a: str, b: str, dev_b: str, v4_b: str, v6_b: str) -> None:
        ip("link", "add", dev_a, "netns", self.ns(a), "type", "veth", "peer", "name", dev_b, "netns", self.ns(b))
        for where, dev, v4, v6 in ((a, dev_a, v4_a, v6_a), (b, dev_b, v4_b, v6_b)):
            self.call(where, "ethtool", "-K", dev, "tso", "off", "gso", "off", "gro", "off")
            self._address(where, dev, v4, v6)

    def _tun(self, binary: str, name: str, a: str, v4_a: str, v6_a: str, b: str, v4_b: str, v6_b: str) -> None:
        dev_a, dev_b = f"{self.prefix}{name[0]}a", f"{self.prefix}{name[0]}b"
        self.delays[name] = Delay(binary, (self.ns(a), dev_a), (self.ns(b), dev_b), self.seed)
        self._address(a, dev_a, v4_a, v6_a)
        self._address(b, dev_b, v4_b, v6_b)

    def _address(self, where: str, dev: str, v4: str, v6: str) -> None:
        ip("-n", self.ns(where), "addr", "add", v4, "dev", dev)
        ip("-n", self.ns(where), "-6", "addr", "add", v6, "dev", dev, "nodad")
        ip("-n", self.ns(where), "link", "set", dev, "txqueuelen", "10000", "up")

    def link(self, down: float, up: float) -> None:
        """The line's rates from now on, Mbit/s."""
        for where, dev, mbit in (("i", f"{self.prefix}l1", down), ("r", f"{self.prefix}l0", up)):
            limit = max(int(mbit * 1e6 / 8 * self.buffer_ms / 1000), 6000)
            shape = ("tbf", "rate", f"{int(mbit * 1000)}kbit", "burst", "20kb", "limit", str(limit))
            self.call(where, "tc", "qdisc", "replace", "dev", dev, "root", *shape)

    def call(self, where: str, *words: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.ns(where), *words], capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def start(
        self, where: str, *words: str, stdout: int | IO[Any] = subprocess.DEVNULL, **more: Any
    ) -> subprocess.Popen[Any]:
        """Start a program inside; what still runs at the end is killed."""
        program = subprocess.Popen(
            ["nice", "-n", "-12", "ip", "netns", "exec", self.ns(where), "sh", "-c", _INSIDE, "sh", *words],
            stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True, **more,
        )  # fmt: skip
        self._programs.append(program)
        return program

    def app(self, name: str, *words: str, where: str = "h") -> subprocess.Popen[Any]:
        """An application of that name: a copy of the traffic program, so that it is known by its script."""
        script = self.folder / name
        if not script.exists():
            script.write_bytes((HERE / "lag_traffic.py").read_bytes())
        return self.start(where, sys.executable, str(script), *words)

    def console(self, *words: str) -> None:
        """A command of AutoQoS, with the folder's settings and data."""
        where = ("--config", str(self.folder / "config.yaml"), "--data", str(self.folder / "data"))
        self.start("h", sys.executable, "-m", "console", *words, *where, cwd=HERE.parent).wait(60)

    def stop(self, program: subprocess.Popen[Any], how: int = 15) -> None:
        if program.poll() is None:
            os.killpg(program.pid, how)
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, 9)
                program.wait(10)

    def close(self) -> None:
        for program in reversed(self._programs):
            self.stop(program)
        for delay in self.delays.values():
            delay.stop()
        for where in ("h", "r", "i", "p", "x"):
            subprocess.run(["ip", "netns", "del", self.ns(where)], capture_output=True)
        self._folder.cleanup()
