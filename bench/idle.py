"""What the whole of ``autoqos up`` costs without traffic: CPU and memory per process over a minute, as JSON.

Runs in a network namespace of its own (root, Linux) with only loopback up: nothing moves, probes fail at once unless
``--probes`` makes a peer that answers. RSS counts shared pages in every process; PSS shares them out, so its sum is
what the machine really gives.

    sudo uv run python bench/idle.py [--seconds 60] [--settle 15]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
LIMITS = {"cpu_percent": 1.5, "memory_bytes": 200_000_000}


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def inside(namespace: str, *command: str) -> list[str]:
    # nsenter and not `ip netns exec`: that one mounts /sys anew, and the cgroup hierarchy would be out of sight
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def part_of(process: psutil.Process) -> str:
    command = process.cmdline()
    at = command.index("console") + 1 if "-m" in command[:3] and "console" in command[:4] else len(command)
    return command[at] if at < len(command) else "other"


def sample(family: list[psutil.Process]) -> dict[int, tuple[float, int, int]]:
    found = {}
    for process in family:
        times, memory = process.cpu_times(), process.memory_full_info()
        found[process.pid] = (times.user + times.system, memory.rss, memory.pss)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=15)
    parser.add_argument("--probes", action="store_true", help="a peer answers the echoes")
    options = parser.parse_args()
    mine, peer = f"idle{os.getpid()}", f"idlep{os.getpid()}"
    targets = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    ip("netns", "add", mine)
    ip("netns", "add", peer)
    try:
        subprocess.run(inside(mine, "ip", "link", "set", "lo", "up"), check=True)
        if options.probes:
            ip("link", "add", "ib0", "netns", mine, "type", "veth", "peer", "name", "ib1", "netns", peer)
            subprocess.run(inside(mine, "ip", "addr", "add", "192.0.2.9/24", "dev", "ib0"), check=True)
            subprocess.run(inside(mine, "ip", "link", "set", "ib0", "up"), check=True)
            for target in targets:
                subprocess.run(inside(peer, "ip", "addr", "add", f"{target}/24", "dev", "ib1"), check=True)
            subprocess.run(inside(peer, "ip", "link", "set", "ib1", "up"), check=True)
        with tempfile.TemporaryDirectory() as folder:
            settings = Path(folder) / "config.yaml"
            settings.write_text(f"collector: {{targets: {json.dumps(targets)}}}\n", encoding="utf-8")
            data = Path(folder) / "data"
            measure(options, inside(mine, sys.executable, "-m", "console"), settings, data)
    finally:
        ip("netns", "del", mine)
        ip("netns", "del", peer)


def measure(options: argparse.Namespace, start: list[str], settings: Path, data: Path) -> None:
    up = subprocess.Popen(
        [*start, "up", "--config", str(settings), "--data", str(data)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        time.sleep(options.settle)
        root = psutil.Process(up.pid)
        family = [root, *root.children(recursive=True)]
        before, began = sample(family), time.monotonic()
        time.sleep(options.seconds)
        after, took = sample(family), time.monotonic() - began
        late = [process for process in root.children(recursive=True) if process not in family]
        status = json.loads(
            subprocess.run(
                [sys.executable, "-m", "console", "status", "--json", "--config", str(settings), "--data", str(data)],
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
            ).stdout
        )
        processes = [
            {
                "part": part_of(process),
                "cpu_percent": round(100 * (after[process.pid][0] - before[process.pid][0]) / took, 3),
                "rss_bytes": after[process.pid][1],
                "pss_bytes": after[process.pid][2],
            }
            for process in family
        ]
        total = {
            name: round(sum(float(str(p[name])) for p in processes), 3)
            for name in ("cpu_percent", "rss_bytes", "pss_bytes")
        }
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        code = up.wait(30)
        report = {
            "seconds": round(took, 1),
            "probes_answered": options.probes,
            "capture": status["capture"],
            "processes": processes,
            "total": total,
            "limits": LIMITS,
            "within": {
                "cpu": total["cpu_percent"] <= LIMITS["cpu_percent"],
                "rss": total["rss_bytes"] <= LIMITS["memory_bytes"],
                "pss": total["pss_bytes"] <= LIMITS["memory_bytes"],
            },
            "started_meanwhile": [part_of(process) for process in late],
            "stopped_in_s": round(time.monotonic() - began, 2),
            "exit_status": code,
        }
        print(json.dumps(report, indent=2))
    finally:
        if up.poll() is None:
            up.kill()
        up.communicate()


if __name__ == "__main__":
    main()
