import contextlib
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.require import linux_root, program

if sys.platform != "linux":
    pytest.skip("rtnetlink is Linux's", allow_module_level=True)

from collector.interfaces.counters import InterfaceCounters
from collector.interfaces.listing_linux import parse_links, read_interfaces


def attribute(kind: int, data: bytes) -> bytes:
    raw = struct.pack("=HH", len(data) + 4, kind) + data
    return raw + b"\0" * (-len(raw) % 4)


def message(kind: int, body: bytes) -> bytes:
    raw = struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body
    return raw + b"\0" * (-len(raw) % 4)


def link(name: str, index: int, link_type: int, *, kind: str = "", master: int = 0) -> bytes:
    body = struct.pack("=BxHiII", 0, link_type, index, 0, 0) + attribute(3, name.encode() + b"\0")
    stats = [index * 1000 + i for i in range(25)]
    if master:
        body += attribute(10, struct.pack("=I", master))
    if kind:
        body += attribute(18 | 0x8000, attribute(1, kind.encode() + b"\0"))
    return message(16, body + attribute(23, struct.pack("=25Q", *stats)))


def test_a_dump_is_read_with_kinds_masters_and_counters() -> None:
    dump = link("lo", 1, 772) + link("eth0", 2, 1) + link("vethё", 3, 1, kind="veth", master=9)
    links, done = parse_links(dump)
    assert not done
    assert [(i.name, i.index, i.nature, i.header_bytes) for i in links] == [
        ("lo", 1, "loopback", 0),
        ("eth0", 2, "physical", 14),
        ("vethё", 3, "copy", 14),
    ]
    # struct rtnl_link_stats64: packets, bytes, errors, dropped, …; missed is the 16th and counts as dropped.
    assert links[1].counters == InterfaceCounters(2002, 2003, 2000, 2001, 2006 + 2015, 2007, 2004, 2005)
    assert parse_links(message(3, b"\0\0\0\0")) == ([], True)


def test_an_error_message_is_an_error() -> None:
    with pytest.raises(OSError, match="Operation not permitted"):
        parse_links(message(2, struct.pack("=i", -1)))


@given(st.binary(max_size=200))
def test_nonsense_ends(data: bytes) -> None:
    with contextlib.suppress(OSError, struct.error):
        parse_links(data)


def test_this_machines_interfaces_agree_with_proc() -> None:
    with open("/proc/thread-self/net/dev", encoding="utf-8") as file:
        names = {line.split(":")[0].strip() for line in file if ":" in line}
    found = {i.name: i for i in read_interfaces()}
    assert set(found) == names
    assert found["lo"].nature == "loopback"


def test_kinds_and_counters_of_real_interfaces() -> None:
    linux_root()
    code = (
        "from collector.interfaces.listing_linux import read_interfaces\n"
        "from collector.interfaces.selection import select\n"
        "all = read_interfaces()\n"
        "print(sorted((i.name, i.nature, i.header_bytes) for i in all))\n"
        "print(sorted(i.name for i in select(all, ['*'])))"
    )
    script = (
        "ip link add v0 type veth peer name v1 && ip link add br0 type bridge && ip link set v1 master br0"
        " && ip tuntap add dev t0 mode tun && ip link set v0 up"
        f' && {sys.executable} -c "{code}"'
    )
    done = subprocess.run(
        [program("unshare"), "--net", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode and "not supported" in done.stderr.lower():
        pytest.skip(f"this kernel lacks a kind of interface: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    kinds, counted = done.stdout.splitlines()
    wanted = [
        ("br0", "copy", 14),
        ("lo", "loopback", 0),
        ("t0", "tunnel", 0),
        ("v0", "virtual", 14),
        ("v1", "copy", 14),
    ]
    assert [entry for entry in eval(kinds) if entry[0] in {w[0] for w in wanted}] == wanted
    assert {"t0", "v0"} <= set(eval(counted))
    assert not {"br0", "v1", "lo"} & set(eval(counted))


def test_interfaces_that_appear_and_vanish_while_it_measures_lose_no_byte() -> None:
    linux_root()
    code = """
import socket, subprocess, time
from collector.interfaces.meter import InterfaceMeter
def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)
def look():
    return {d.name: d.moved.tx_bytes for d in meter.look(time.monotonic_ns())}
meter = InterfaceMeter(["*"])
print(look())
ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
ip("addr", "add", "203.0.113.1/24", "dev", "late0")
for name in ("late0", "late1"):
    subprocess.run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"], check=True)
    ip("link", "set", name, "up")
ip("neigh", "add", "203.0.113.7", "lladdr", "02:00:00:00:00:01", "dev", "late0")
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(50):
    sender.sendto(b"x" * 972, ("203.0.113.7", 9))
print(look()["late0"])
sender.sendto(b"x" * 972, ("203.0.113.7", 9))
print(look()["late0"])
ip("link", "del", "late0")
print(look())
"""
    done = subprocess.run(
        [program("unshare"), "--net", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    before, after = eval(lines[0]), eval(lines[3])
    assert lines[1:3] == ["50000", "1000"]  # 972 bytes of data, 28 of IP and UDP; no Ethernet header
    assert "late0" not in before
    assert before == after
