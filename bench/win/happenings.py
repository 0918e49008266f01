"""What may happen to a line and a machine in the middle of a run, and the path with a delay of its own."""

import subprocess
import tempfile
from pathlib import Path

from bench.lag_lab import Delay
from bench.win.scenarios import DELAYED, Scenario
from tests.lab import PEER4, Lab

GATEWAY, SECOND_GATEWAY, TUNNEL = "10.77.0.254", "10.77.0.253", "10.99.0"


def happen(lab: Lab, what: str) -> None:
    """``silence``: no target answers any more; ``rate-limit``: each answers about once a second; ``vpn up`` and ``vpn
    down``: a tunnel takes the default route; ``roam``: another gateway, as in another network."""
    device = lab.interface()
    if what == "silence":
        lab.run("peer", "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    elif what == "rate-limit":
        # The mask names the types that are limited (0 echo reply, 14 timestamp reply), the limit is in milliseconds.
        lab.run("peer", "sysctl", "-qw", "net.ipv4.icmp_ratemask=16385", "net.ipv4.icmp_ratelimit=1000")
    elif what == "vpn up":
        # A point-to-point interface with an address and the default route; what is connected stays where it is.
        lab.run("host", "ip", "route", "add", f"{PEER4}/32", "via", GATEWAY)
        lab.run("host", "ip", "tuntap", "add", "dev", "vpn0", "mode", "tun")
        lab.run("host", "ip", "addr", "add", f"{TUNNEL}.1/24", "dev", "vpn0")
        lab.run("host", "ip", "link", "set", "vpn0", "up")
        lab.run("host", "ip", "route", "replace", "default", "dev", "vpn0")
    elif what == "vpn down":
        lab.run("host", "ip", "route", "replace", "default", "via", GATEWAY)
        lab.run("host", "ip", "link", "del", "vpn0")
    elif what == "roam":
        router = lab.namespace("router")
        mac = lab.run("router", "cat", f"/sys/class/net/{lab.prefix}r0/address", check=False).stdout.strip()
        subprocess.run(
            ["ip", "-n", router, "addr", "add", f"{SECOND_GATEWAY}/24", "dev", f"{lab.prefix}r0"], check=True
        )
        near = ("neigh", "replace", SECOND_GATEWAY, "dev", device, "nud", "permanent")
        lab.run("host", "ip", *near, "lladdr", mac or "02:00:00:00:00:02")
        lab.run("host", "ip", "route", "replace", "default", "via", SECOND_GATEWAY)
    else:
        raise RuntimeError(f"nobody knows how {what!r} happens")


def no_timestamps(lab: Lab) -> None:
    """Targets answer echoes but no timestamp requests, as most on the Internet: one in 100 s is too few to be used."""
    for where in ("peer", "router"):
        lab.run(where, "sysctl", "-qw", "net.ipv4.icmp_ratemask=16384", "net.ipv4.icmp_ratelimit=100000")


class DelayedPath:
    """The second address of the peer, behind the bottleneck and a round trip of its own (``lag_delay.c``)."""

    def __init__(self, lab: Lab, scenario: Scenario) -> None:
        self._folder = tempfile.TemporaryDirectory()
        binary = str(Path(self._folder.name) / "delay")
        source = Path(__file__).parents[1] / "lag_delay.c"
        subprocess.run(["cc", "-O2", "-o", binary, str(source), "-lm"], check=True)
        near, far = f"{lab.prefix}td", f"{lab.prefix}tp"
        router, peer = lab.namespace("router"), lab.namespace("peer")
        self._delay = Delay(binary, (router, near), (peer, far), 1)
        for where, device in ((router, near), (peer, far)):
            subprocess.run(["ip", "-n", where, "link", "set", device, "txqueuelen", "10000", "up"], check=True)
        subprocess.run(["ip", "-n", peer, "addr", "add", f"{DELAYED}/32", "dev", far], check=True)
        subprocess.run(["ip", "-n", router, "route", "add", DELAYED, "dev", near], check=True)
        # Answers from this address go back the same way.
        subprocess.run(["ip", "-n", peer, "rule", "add", "from", DELAYED, "lookup", "100"], check=True)
        route = ["ip", "-n", peer, "route", "add", "default", "dev", far, "table", "100"]
        subprocess.run(route, check=True)
        self._delay.set(scenario.delay_ms, scenario.jitter_ms)

    def close(self) -> None:
        """End it."""
        self._delay.stop()
        self._folder.cleanup()
