"""Our devices and what iproute2 says of them: the messages to rtnetlink mean what they should."""

import json
import os
import struct
import subprocess
import sys
from typing import Any

import pytest

from collector.interfaces.counters import NOTHING
from collector.interfaces.selection import Interface, select
from tests.lab import Lab
from tests.require import linux_root

if sys.platform != "linux":
    pytest.skip("rtnetlink is Linux's", allow_module_level=True)

from enforcer.datapath.kernel import rtnetlink
from enforcer.datapath.kernel.devices import Devices, ours, remove_leftovers
from enforcer.datapath.kernel.layout import MAJOR, handle

MBIT = 1_000_000


def shown(*command: str) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def ours_there() -> set[str]:
    return {link["ifname"] for link in shown("ip", "-j", "link") if ours(link["ifname"]) is not None}


def test_devices_hold_at_the_rate_and_are_taken_away() -> None:
    linux_root()
    with Lab() as lab, lab.inside("host"):
        devices = Devices()
        try:
            pid = os.getpid()
            assert ours_there() == {f"autoqosd{pid}", f"autoqosu{pid}", f"autoqosv{pid}"}
            assert all("UP" in link["flags"] for link in shown("ip", "-j", "link") if ours(link["ifname"]))
            mine = [link for link in shown("ip", "-j", "addr") if ours(link["ifname"])]
            assert [link["addr_info"] for link in mine] == [[], [], []]  # nor packets of their own
            devices.hold(3, 15 * MBIT, received=True)
            devices.hold(3, 30 * MBIT, received=True)
            devices.hold(4, 8_000 * MBIT, received=False)
            for name, number, rate in ((f"autoqosd{pid}", 3, "30280Kbit"), (f"autoqosu{pid}", 4, "8074Mbit")):
                listed = subprocess.run(
                    ["tc", "class", "show", "dev", name], capture_output=True, text=True, check=True
                )
                assert f"class htb {MAJOR:x}:{handle(number) & 0xFFFF:x} root" in listed.stdout
                assert f" rate {rate} ceil {rate} " in listed.stdout
            assert devices.missing() is None
            subprocess.run(["ip", "link", "set", f"autoqosd{pid}", "down"], check=True)
            assert devices.missing() == f"autoqosd{pid}"
            subprocess.run(["ip", "link", "del", f"autoqosu{pid}"], check=True)
            assert devices.missing() in {f"autoqosd{pid}", f"autoqosu{pid}"}
        finally:
            devices.close()
        assert ours_there() == set()


def test_devices_of_the_dead_are_removed_and_those_of_the_living_stay() -> None:
    linux_root()
    gone = subprocess.Popen(["true"])
    gone.wait()
    with Lab() as lab, lab.inside("host"):
        for name in (f"autoqosd{gone.pid}", f"autoqosd{os.getppid()}", "autoqosdx"):
            subprocess.run(["ip", "link", "add", name, "type", "ifb"], check=True)
        assert remove_leftovers() == 1
        assert {link["ifname"] for link in shown("ip", "-j", "link")} >= {f"autoqosd{os.getppid()}", "autoqosdx"}
        assert remove_leftovers(os.getppid()) == 1


def test_a_refusal_is_an_error_number_and_anything_else_no_acknowledgement() -> None:
    refused = rtnetlink.message(2, 0, (-17).to_bytes(4, "little", signed=True) + bytes(16))
    assert rtnetlink.answer(refused) == 17
    with pytest.raises(ValueError, match="type 16"):
        rtnetlink.answer(rtnetlink.message(16, 0, b""))


def test_the_collector_leaves_our_devices_out_by_their_names() -> None:
    seen = [Interface(name, 1, "virtual", 14, NOTHING) for name in ("autoqosd7", "autoqosu7", "autoqosv7", "eth0")]
    assert all(ours(interface.name) == 7 for interface in seen[:3])
    assert select(seen, ["*"]) == (seen[3],)


@pytest.mark.parametrize(("name", "pid"), [("autoqosd12", 12), ("autoqosv4194304", 4194304), ("eth0", None)])
def test_names_say_whose_they_are(name: str, pid: int | None) -> None:
    assert ours(name) == pid


def test_merged_packets_pass_whole_only_where_the_rate_is_high_and_frames_always() -> None:
    linux_root()
    with Lab() as lab, lab.inside("host"):
        devices = Devices()
        try:
            asked: list[tuple[int]] = []
            ask = devices._netlink.ask

            def noted(request: bytes, what: str) -> None:
                if "queue" in what:
                    asked.append(struct.unpack_from("=I", request, len(request) - 4))
                ask(request, what)

            devices._netlink.ask = noted  # type: ignore[method-assign]
            for rate in (1, 5, 50, 52, 400, 401):
                devices.hold(3, rate * MBIT, received=False)
            assert [size for (size,) in asked] == [1518, 8192, 65_554]
            asked.clear()
            devices.hold(3, 5 * MBIT, received=False)
            lab.run("host", "ip", "link", "set", lab.interface(), "mtu", "9000")
            devices.follow_frames()
            assert [size for (size,) in asked] == [1518, 9018, 9018, 9018]  # this class and one of each device, unused
            assert mtus() == {9000}
            lab.run("host", "ip", "link", "set", lab.interface(), "mtu", "1500")
            devices.follow_frames()
            assert mtus() == {1500}
            log = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
            assert f"device autoqosu{os.getpid()} mtu" not in log  # sch_tbf: burst … is lower than device … mtu
        finally:
            devices.close()


def mtus() -> set[int]:
    return {link["mtu"] for link in shown("ip", "-j", "link") if ours(link["ifname"]) is not None}


def test_a_kernel_without_a_queue_that_segments_is_refused_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merged packet of 64 kB held whole would make a class of 64 kbit/s wait for eight seconds."""
    linux_root()
    monkeypatch.setattr(rtnetlink, "segmenting_leaf", lambda index, at, *_: rtnetlink._leaf(index, at, b"nosuch"))
    with Lab() as lab, lab.inside("host"):
        with pytest.raises(OSError, match="kernel module sch_tbf"):
            Devices()
        assert ours_there() == set()
