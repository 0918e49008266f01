"""Real packets through the kernel's queues: what only this datapath promises. The rest is in test_packets."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enforcer.datapath.test_packets import in_force, python_home
from tests.enforcer.rig import MBIT, Rig, goodput_bps, required, result_of
from tests.lab import HOST4, PEER4, Lab, Where
from tests.require import missing

if sys.platform != "linux":
    pytest.skip("the kernel's queues are Linux's", allow_module_level=True)

from enforcer.datapath.kernel.devices import UP_QUEUE_BYTES

pytestmark = [pytest.mark.packets, pytest.mark.timeout(180)]


@pytest.fixture
def rig() -> Iterator[Rig]:
    required("kernel")
    with Lab() as lab, Rig(lab, "enforcer: {hold_off: 2s}", datapath="kernel") as made:
        yield made


def devices(rig: Rig) -> list[str]:
    lines = rig.lab.run("host", "ip", "-br", "link").stdout.splitlines()
    return [line.split()[0].partition("@")[0] for line in lines if line.startswith("autoqos")]


def test_rates_change_without_a_lost_or_reordered_datagram(rig: Rig) -> None:
    in_force(rig, "bulk", down=5 * MBIT)
    client = rig.begin("-u", "-R", "-b", "3M", "-l", "600", "-t", "8", app="bulk")
    time.sleep(1)
    chance = random.Random(16)
    for _ in range(40):
        rig.limit("bulk", down=chance.randint(4, 90) * MBIT, up=chance.choice([None, chance.randint(1, 20) * MBIT]))
        time.sleep(chance.random() * 0.2)
    rig.unlimit("bulk")
    time.sleep(0.5)
    rig.limit("bulk", down=5 * MBIT)
    end = result_of(client.communicate(timeout=60)[0])["end"]
    assert end["sum"]["packets"] > 3_000
    assert end["sum"]["lost_packets"] == 0
    assert end["streams"][0]["udp"]["out_of_order"] == 0


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_fragments_follow_the_first_one(rig: Rig, v6: bool) -> None:
    """Datagrams of 8 kB: five of six fragments have no ports, and 8 of 8 Mbit/s passed a limit of 4."""
    in_force(rig, "bulk", down=4 * MBIT)
    calm = rig.iperf("-u", "-R", "-b", "3M", "-l", "8000", "-t", "3", app="bulk", v6=v6)
    assert calm["end"]["sum"]["lost_packets"] == 0
    before = rig.app("bulk")["dropped_packets"]
    got = goodput_bps(rig.iperf("-u", "-R", "-b", "8M", "-l", "8000", "-t", "5", app="bulk", v6=v6))
    # Whole datagrams arrive: where one fragment is refused, the others of its datagram are.
    assert 0.8 * 4 * MBIT <= got <= 1.06 * 4 * MBIT, rig.limits()
    assert rig.app("bulk")["dropped_packets"] > before


@pytest.mark.parametrize("how", ["del", "down"])
def test_a_device_that_somebody_takes_away_lets_everybody_go_and_comes_back(rig: Rig, how: str) -> None:
    in_force(rig, "bulk", down=5 * MBIT)
    client = rig.begin("-R", "-t", "10", "-b", "30M", app="bulk")
    rig.until(lambda: rig.app("bulk").get("delayed_packets", 0) > 20, "the download to be held", 20)
    ifb = next(name for name in devices(rig) if name.startswith("autoqosd"))
    rig.lab.run("host", "ip", "link", *(["del", ifb] if how == "del" else ["set", ifb, "down"]))
    rig.until(lambda: rig.limits()["state"] == "holding_off", "the enforcer to let go", 10)
    assert ifb in rig.limits()["reason"]
    rig.until(lambda: rig.limits()["state"] == "enforcing" and rig.limits()["engine"]["handles"], "the next try", 20)
    intervals = result_of(client.communicate(timeout=60)[0])["intervals"]
    assert (
        min(interval["sum"]["bits_per_second"] for interval in intervals) > 0
    )  # never a black hole for a whole second


def test_an_interface_that_comes_while_limits_hold_is_covered(rig: Rig) -> None:
    in_force(rig, "bulk", down=5 * MBIT)
    rig.until(lambda: rig.limits()["engine"]["handles"], "the datapath to be open", 20)
    before = rig.limits()["engine"]["handles"]
    rig.lab.run("host", "ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    rig.until(lambda: rig.limits()["engine"]["handles"] == before + 4, "both ends to be covered", 10)
    rig.lab.run("host", "ip", "link", "del", "late0")
    rig.until(lambda: rig.limits()["engine"]["handles"] == before, "both to be forgotten", 10)


def test_sixteen_downloads_at_once_share_the_rate(rig: Rig) -> None:
    in_force(rig, "many", down=20 * MBIT)
    result = rig.iperf("-R", "-P", "16", "-t", "8", "-O", "2", app="many")
    assert 0.85 * 20 * MBIT <= goodput_bps(result) <= 1.06 * 20 * MBIT
    shares = [stream["receiver"]["bits_per_second"] / (20 * MBIT / 16) for stream in result["end"]["streams"]]
    assert min(shares) > 0.25


def test_a_new_process_is_held_from_its_first_packet(rig: Rig) -> None:
    in_force(rig, "brief", down=2 * MBIT)
    port = rig.server()
    total = 0.0
    for _ in range(4):
        total += rig.iperf("-R", "-n", "200K", app="brief", port=port)["end"]["sum_received"]["seconds"]
    # 4 * 200 kB at 2 Mbit/s take 3.2 s; what escapes makes it shorter.
    assert total > 2.2


def test_the_wait_is_told_right_after_the_rate_rose(rig: Rig) -> None:
    """What waited at 1 Mbit/s is clear nine times sooner at 9: seen as 0.95 s for as long as the upload lasted."""
    in_force(rig, "bulk", up=MBIT)
    client = rig.begin("-t", "10", app="bulk")
    rig.until(lambda: rig.app("bulk").get("delayed_packets", 0) > 5, "the upload to be held", 20)
    time.sleep(2)
    in_force(rig, "bulk", up=9 * MBIT)
    time.sleep(2)
    assert rig.app("bulk")["queue_ms"] < 300
    client.communicate(timeout=60)


def test_a_download_goes_on_right_after_a_moment_at_the_least_rate(rig: Rig) -> None:
    """What waited at 64 kbit/s was seen as a wait of many seconds: at 15 Mbit/s again every packet was refused."""
    in_force(rig, "bulk", down=15 * MBIT)
    client = rig.begin("-R", "-P", "4", "-t", "9", app="bulk")
    time.sleep(2)
    for _ in range(3):
        rig.limit("bulk", down=MBIT // 16)
        time.sleep(0.3)
        rig.limit("bulk", down=15 * MBIT)
        time.sleep(1)
    intervals = [one["sum"]["bits_per_second"] for one in result_of(client.communicate(timeout=60)[0])["intervals"]]
    assert min(intervals[6:]) > 12 * MBIT, intervals


def test_an_upload_makes_no_bursts_for_the_line() -> None:
    """Merged packets passed whole: 45 kB at once, a queue of 38 ms on a line of 10 Mbit/s that had room."""
    required("kernel")
    with Lab(down_mbit=50, up_mbit=10) as lab, Rig(lab, datapath="kernel") as rig:
        in_force(rig, "bulk", up=5 * MBIT)
        client = rig.begin("-t", "6", "-C", "cubic", app="bulk")
        rig.until(lambda: rig.app("bulk").get("delayed_packets", 0) > 50, "the upload to be held", 20)
        time.sleep(1)
        seen = []
        for _ in range(60):
            listed = json.loads(lab.run("router", "tc", "-s", "-j", "qdisc", "show").stdout)
            seen.append(max(qdisc["backlog"] for qdisc in listed))
            time.sleep(0.03)
        goodput = goodput_bps(result_of(client.communicate(timeout=60)[0]))
    assert 0.8 * 5 * MBIT <= goodput <= 1.06 * 5 * MBIT
    assert sorted(seen)[-3] < 8_000, seen


FLOOD = """
import socket, sys, time
senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(12)]
for sender in senders:
    sender.setblocking(False)
    sender.connect((sys.argv[1], 9))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for sender in senders:
        try:
            sender.send(bytes(1200))
        except OSError:
            pass
    time.sleep(0.016)
"""


def test_an_upload_that_does_not_yield_finds_its_queue_full_and_leaves_none_behind(rig: Rig) -> None:
    """Datagrams of many sockets at three times the rate: what the queue dropped was told as waiting, ever longer."""
    in_force(rig, "flood", up=2 * MBIT)
    command = [rig.copy("flood", sys.executable), "-c", FLOOD, PEER4, "12"]
    client = rig.lab.start("host", *command, env=python_home())
    rig.until(lambda: rig.app("flood").get("dropped_packets", 0) > 200, "the flood to be dropped", 20)
    most_ms = UP_QUEUE_BYTES * 8 * 1000 / (2 * MBIT)
    before, then = rig.lab.counters(), time.monotonic()
    seen = []
    while client.poll() is None:
        seen.append(rig.app("flood")["queue_ms"])
        time.sleep(0.3)
    passed = (rig.lab.counters() - before).tx_bytes * 8 / (time.monotonic() - then)
    assert 0.7 * most_ms < max(seen) < 1.2 * most_ms, seen
    assert 0.8 * 2 * MBIT <= passed <= 1.1 * 2 * MBIT
    rig.until(lambda: rig.app("flood").get("queue_ms", 0) == 0, "the queue to be told as gone", 10)


TUNNEL = """
import fcntl, os, select, socket, struct, sys
name, mine, other = sys.argv[1:]
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((mine, 7999))
wire.connect((other, 7999))
print("ready", flush=True)
while True:
    for ready in select.select([tun, wire], [], [])[0]:
        try:
            if ready is wire:
                os.write(tun, wire.recv(2000))
            else:
                wire.send(os.read(tun, 2000))
        except OSError:
            pass
"""


def tunnel(rig: Rig) -> None:
    """A VPN's interface, without link-layer headers, between host (10.99.0.1) and peer (10.99.0.2)."""
    ends: tuple[tuple[Where, str, str, str], ...] = (
        ("host", HOST4, PEER4, "10.99.0.1"),
        ("peer", PEER4, HOST4, "10.99.0.2"),
    )
    for where, mine, other, inner in ends:
        relay = rig.lab.start(where, sys.executable, "-c", TUNNEL, "tun7", mine, other, stdout=subprocess.PIPE)
        assert relay.stdout is not None
        assert relay.stdout.readline().strip() == "ready"
        rig.lab.run(where, "ip", "addr", "add", f"{inner}/24", "dev", "tun7")
        rig.lab.run(where, "ip", "link", "set", "tun7", "mtu", "1400", "up")


@pytest.mark.parametrize(("side", "options"), [("down", ["-R"]), ("up", [])])
def test_an_application_inside_a_tunnel_without_link_layer_is_held_too(rig: Rig, side: str, options: list[str]) -> None:
    if not Path("/dev/net/tun").exists():
        missing("there is no /dev/net/tun (kernel module tun)")
    tunnel(rig)
    in_force(rig, "bulk", **{side: 4 * MBIT})
    port = rig.server()
    command = [rig.copy("bulk"), "-c", "10.99.0.2", "-p", str(port), "-J", "-t", "6", *options]
    got = goodput_bps(result_of(rig.lab.run("host", *command).stdout))
    assert 0.8 * 4 * MBIT <= got <= 1.06 * 4 * MBIT, rig.limits()
    assert rig.app("bulk")["delayed_packets"] > 20
