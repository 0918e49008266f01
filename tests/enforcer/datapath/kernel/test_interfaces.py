"""Real packets through interfaces made of others: an application behind them is held once, at its rate."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.enforcer.datapath.test_packets import in_force
from tests.enforcer.rig import MBIT, Rig, goodput_bps, required, result_of
from tests.lab import HOST4, Lab
from tests.require import missing

if sys.platform != "linux":
    pytest.skip("the kernel's queues are Linux's", allow_module_level=True)

pytestmark = [pytest.mark.packets, pytest.mark.timeout(180)]

_ROUTER4 = "10.77.0.254"


@pytest.fixture
def rig() -> Iterator[Rig]:
    required("kernel")
    with Lab() as lab, Rig(lab, datapath="kernel") as made:
        yield made


def bridge(lab: Lab) -> None:
    """The host's address is on a bridge, as with virtual machines and containers in the same network."""
    port = lab.interface()
    address = lab.run("host", "cat", f"/sys/class/net/{port}/address").stdout.strip()
    router = lab.run("host", "ip", "neigh", "show", _ROUTER4).stdout.split()[4]
    lab.run("host", "ip", "link", "add", "br7", "address", address, "type", "bridge", "stp_state", "0")
    lab.run("host", "ip", "addr", "del", f"{HOST4}/24", "dev", port)
    lab.run("host", "ip", "link", "set", port, "master", "br7")
    lab.run("host", "ip", "link", "set", "br7", "up")
    lab.run("host", "ip", "addr", "add", f"{HOST4}/24", "dev", "br7")
    lab.run("host", "ip", "neigh", "replace", _ROUTER4, "lladdr", router, "dev", "br7")
    lab.run("host", "ip", "route", "replace", "default", "via", _ROUTER4)


def macvlan(lab: Lab) -> None:
    """The way out is a second address card on the same cable."""
    made = lab.run("host", "ip", "link", "add", "link", lab.interface(), "name", "mac7", "type", "macvlan", check=False)
    if made.returncode:
        missing(f"this kernel has no macvlan: {made.stderr}")
    lab.run("host", "ip", "addr", "add", "10.77.0.9/24", "dev", "mac7")
    lab.run("host", "ip", "link", "set", "mac7", "up")
    lab.run("host", "ip", "route", "replace", "default", "via", _ROUTER4, "dev", "mac7", "src", "10.77.0.9")
    lab.run("host", "ip", "route", "del", "10.77.0.0/24", "dev", lab.interface())


@pytest.mark.parametrize("made_of", [bridge, macvlan])
def test_an_application_behind_it_is_held_once(rig: Rig, made_of: Callable[[Lab], None]) -> None:
    made_of(rig.lab)
    in_force(rig, "bulk", down=4 * MBIT, up=4 * MBIT)
    rig.until(lambda: rig.limits()["engine"]["handles"] > 5, "both interfaces to be covered", 20)
    for options in (["-R"], []):
        got = goodput_bps(rig.iperf("-t", "4", *options, app="bulk"))
        assert 0.8 * 4 * MBIT <= got <= 1.06 * 4 * MBIT, rig.limits()


def test_a_container_behind_the_host_is_not_held(rig: Rig) -> None:
    """A program of the same name in a network namespace of its own, bridged and routed: as docs/enforcement.md says."""
    inside, host = f"{rig.lab.prefix}_c", rig.lab.namespace("host")
    subprocess.run(["ip", "netns", "add", inside], check=True)
    try:
        for words in (
            f"-n {host} link add hold7 type veth peer name eth0 netns {inside}",
            f"-n {host} link add br7 type bridge",
            f"-n {host} link set hold7 master br7 up",
            f"-n {host} addr add 10.99.0.1/24 dev br7",
            f"-n {host} link set br7 up",
            f"-n {inside} addr add 10.99.0.2/24 dev eth0",
            f"-n {inside} link set eth0 up",
            f"-n {inside} route add default via 10.99.0.1",
            f"-n {rig.lab.namespace('router')} route add 10.99.0.0/24 via {HOST4}",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        rig.lab.run("host", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        in_force(rig, "bulk", down=4 * MBIT, up=4 * MBIT)
        rig.until(lambda: rig.limits()["engine"]["handles"] > 5, "all interfaces to be covered", 20)
        for options in (["-R"], []):
            client = rig.client("-t", "4", "-b", "20M", *options, app="bulk")
            got = subprocess.run(
                ["ip", "netns", "exec", inside, *client], capture_output=True, text=True, check=True, timeout=60
            )
            assert goodput_bps(result_of(got.stdout)) > 15 * MBIT, options
    finally:
        subprocess.run(["ip", "netns", "del", inside], check=False)
