"""What happens when the enforcer is killed, stopped, overloaded or changed all the time."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from typing import Any

from bench.enforcer.process import rss_mb
from tests.enforcer.datapath.test_packets import LONG, SERVER, classifiers, in_force, python_home
from tests.enforcer.rig import MBIT, Rig, result_of
from tests.lab import HOST4, PEER4, Lab


def failures(_: float) -> dict[str, Any]:
    """The longest pause of a limited download when the enforcer is killed or stopped."""
    result: dict[str, Any] = {}
    for how in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        with Lab() as lab, Rig(lab) as rig:
            lab.start("peer", sys.executable, "-c", SERVER, "7102", "0")
            rig.limit("victim", down=5 * MBIT)
            command = [rig.copy("victim", sys.executable), "-c", LONG, PEER4, "7102", "9"]
            client = lab.start("host", *command, stdout=subprocess.PIPE, env=python_home())
            rig.until(partial(_is_held, rig), "the download to be held", 20)
            os.kill(rig.pid(), how)
            result[how.name] = {"longest_pause_s": round(float(client.communicate()[0]), 2)}
            assert rig.process is not None
            rig.process.wait(15)
            rig.process = None
            rig.unlimit("victim")
            rig.start()
            result[how.name]["left_after_restart"] = classifiers(rig)
    return result


def _is_held(rig: Rig) -> bool:
    return int(rig.app("victim").get("delayed_packets", 0)) > 50


def giveup(_: float) -> dict[str, Any]:
    """The packet rate at which the engine lets go, with the bound out of the way."""
    with Lab() as lab, Rig(lab, "enforcer: {max_packet_rate: 1000000}") as rig:
        in_force(rig, "flood", up=1000 * MBIT)
        best = 0
        for mbit in (20, 50, 100, 150, 200, 300, 400):
            client = rig.begin("-u", "-b", f"{mbit}M", "-l", "500", "-t", "3", app="flood")
            time.sleep(2.5)
            rate = rig.limits()["engine"].get("packets_per_second", 0)
            client.communicate()
            if rig.limits()["state"] != "enforcing":
                return {
                    "highest_rate_sustained": best,
                    "let_go_at_offered": mbit * MBIT // 8 // 528,
                    "why": rig.limits()["reason"],
                }
            best = max(best, rate)
        return {"highest_rate_seen": best, "let_go_at_offered": None}


RECEIVE = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
sock.bind(("", 7200))
sock.settimeout(3)
seen, late, last = set(), 0, -1
try:
    while True:
        number = int.from_bytes(sock.recv(2048)[:8], "big")
        late += number < last
        last = max(last, number)
        seen.add(number)
except TimeoutError:
    pass
print(len(seen), last + 1, late)
"""


SEND = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start, number = time.monotonic(), 0
while time.monotonic() - start < float(sys.argv[2]):
    sock.sendto(number.to_bytes(8, "big") + bytes(992), (sys.argv[1], 7200))
    number += 1
    time.sleep(max(0, start + number / 500 - time.monotonic()))
"""


def stress(seconds: float) -> dict[str, Any]:
    """Random overrides, limits and edits while 500 datagrams a second run under limits that never need AQM."""
    chance = random.Random(7)
    span, changes = seconds * 6, 0
    with Lab() as lab, Rig(lab) as rig:
        command = [rig.copy("receiver", sys.executable), "-c", RECEIVE]
        receiver = lab.start("host", *command, stdout=subprocess.PIPE, env=python_home())
        in_force(rig, "receiver", down=30 * MBIT)
        lab.start("peer", sys.executable, "-c", SEND, HOST4, str(span))
        before, end = rss_mb(rig), time.monotonic() + span
        while time.monotonic() < end:
            what = chance.randrange(10)
            if what == 0:
                rig.write_config(f"# {changes}\nlink: {{down: {chance.randrange(50, 500)}mbit}}")
            elif what == 1:
                rig.unlimit("receiver")
            elif what == 2:
                rig.override("receiver", priority=chance.randrange(6))
            else:
                rig.limit("receiver", down=chance.randrange(20, 60) * MBIT, up=chance.choice([None, 20 * MBIT]))
            changes += 1
            time.sleep(chance.random() * 0.2)
        got, sent, late = (int(word) for word in receiver.communicate()[0].split())
        return {
            "changes": changes,
            "swaps": rig.limits()["engine"].get("swaps"),
            "sent": sent,
            "lost": sent - got,
            "reordered": late,
            "rss_mb_before_and_after": [before, rss_mb(rig)],
            "state": rig.limits()["state"],
            "log": rig.tail(),
        }


def interfaces(seconds: float) -> dict[str, Any]:
    """200 interfaces made and taken away while a download is limited: what it gets, what is attached, what is left."""
    with Lab() as lab, Rig(lab) as rig:
        in_force(rig, "bulk", down=5 * MBIT)
        rig.until(lambda: rig.limits()["engine"]["handles"], "the datapath to be open", 20)
        before, opened = rig.limits()["engine"]["handles"], rss_mb(rig)
        client = rig.begin("-R", "-t", str(int(max(seconds, 10))), app="bulk")
        most, begun = 0, time.monotonic()
        for round_ in range(10):
            names = [f"t{round_}x{number}" for number in range(10)]
            for name in names:
                lab.run("host", "ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
            time.sleep(0.3)
            most = max(most, rig.limits()["engine"]["handles"])
            for name in names:
                lab.run("host", "ip", "link", "del", name)
        took = time.monotonic() - begun
        got = result_of(client.communicate()[0])
        rig.until(lambda: rig.limits()["engine"]["handles"] == before, "all to be forgotten", 30)
        rates = [one["sum"]["bits_per_second"] / (5 * MBIT) * 100 for one in got["intervals"][1:]]
        return {
            "interfaces": 200,
            "seconds": round(took, 1),
            "handles_before_most_after": [before, most, rig.limits()["engine"]["handles"]],
            "rss_mb_before_and_after": [opened, rss_mb(rig)],
            "percent_of_limit_each_second_least_and_most": [round(min(rates), 1), round(max(rates), 1)],
            "state": rig.limits()["state"],
        }
