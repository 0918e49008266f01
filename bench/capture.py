"""The same load under each capture backend and under NetHogs, in one run; JSON on standard output.

    sudo uv run python bench/capture.py [kernel divert nethogs none]

Three loads, each in a lab of its own for each tool: 80,000 UDP packets/s, 200,000 UDP packets/s for 2 s, and 100 very
short processes (a copy of bash that pours 50 kB into a TCP connection and ends). Truth is the interface's counter.
CPU is user and system time of the tool's own process (all threads); what a tool makes the kernel do inside the sender
shows as the sender's CPU per packet, to be held against the run without any tool (``none``). Memory is the process's
peak resident size (VmHWM); the Python interpreter with its libraries is in it.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.lab import Counters, Lab  # noqa: E402 - the repository's root is put on the path above

NEAR4: Final = "10.77.0.254"
"""The router's near address: one hop, so that forwarding does not eat the two cores."""
STEADY: Final = (80_000, 4.0)
BURST: Final = (200_000, 2.0)
PAYLOAD: Final = 200
PROCESSES: Final = 100
SHORT_BYTES: Final = 50_000
ATTEMPTS: Final = 4
REACHED: Final = 0.95
"""A flood counts when it was sent at this share of its rate; a busy machine gets some more attempts."""
TARGETS: Final = {
    "kernel_cpu_of_nethogs": 0.3,
    "kernel_named": 0.99,
    "divert_us_per_packet": 4.0,
    "divert_peak_mb": 150,
    "divert_named": 0.90,
}


@dataclass(slots=True)
class Load:
    """What a load moved, by the interface's counter, and what it cost the tool."""

    truth: Counters
    tool_cpu_s: float
    sender_cpu_s: float = 0.0
    seconds: float = 0.0


def flood(rate: int, seconds: float) -> None:
    """Send ``rate`` packets a second in batches of 64 (sendmmsg); print packets and own CPU seconds as JSON."""

    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    class Header(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_void_p),
            ("name_length", ctypes.c_uint32),
            ("vectors", ctypes.POINTER(Vector)),
            ("vector_count", ctypes.c_size_t),
            ("control", ctypes.c_void_p),
            ("control_length", ctypes.c_size_t),
            ("flags", ctypes.c_int),
            ("sent", ctypes.c_uint32),
        )

    libc = ctypes.CDLL(None, use_errno=True)
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.connect((NEAR4, 7003))
    data = ctypes.create_string_buffer(PAYLOAD)
    vector = Vector(ctypes.addressof(data), PAYLOAD)
    batch = 64
    headers = (Header * batch)()
    for header in headers:
        header.vectors, header.vector_count = ctypes.pointer(vector), 1
    wanted, sent, began = int(rate * seconds), 0, time.monotonic()
    cpu = time.process_time()
    while sent < wanted:
        ahead = sent / rate - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
        done = libc.sendmmsg(link.fileno(), headers, min(batch, wanted - sent), 0)
        if done < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        sent += done
    spent = time.monotonic() - began
    say({"sent": sent, "cpu_s": time.process_time() - cpu, "seconds": spent})


def drive(backend: str) -> None:
    """Run a backend as the collector would: one poll a second; on a line of input say what there is so far."""
    import select

    from collector.capture.choose import choose
    from qos.contract.config import parse_config

    capture, _why = choose(parse_config(f"collector:\n  capture: {backend}\n"))
    apps: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    lost = 0

    def poll() -> None:
        nonlocal lost
        sample = capture.poll()
        for delta in sample.deltas:
            into = apps[delta.owner.name if delta.owner else ""]
            into[0] += delta.rx_bytes + delta.tx_bytes
            into[1] += delta.rx_packets + delta.tx_packets
        lost += sample.lost

    say({"ready": True})
    due = time.monotonic() + 1
    try:
        while True:
            if select.select([sys.stdin], [], [], max(due - time.monotonic(), 0))[0]:
                if not sys.stdin.readline():
                    return
                poll()
                say({"apps": apps, "lost": lost})
            if time.monotonic() >= due:
                poll()
                due += 1
    finally:
        capture.stop()


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


class Tool:
    """A running backend or NetHogs, or nothing."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.name, self._lab = name, lab
        self._program: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        if name == "nethogs":
            tool = shutil.which("nethogs", path=os.environ["PATH"] + ":/usr/sbin") or "nethogs"
            argv = [tool, "-t", "-C", "-d", "1", "-v", "2", lab.interface()]
            self._program = lab.start("host", *argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            threading.Thread(target=self._listen, daemon=True).start()
            time.sleep(2.5)
        elif name != "none":
            pipe = subprocess.PIPE
            argv = [sys.executable, __file__, "--drive", name]
            self._program = lab.start(
                "host", *argv, stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
            self._answer()
            time.sleep(1.2)

    def _listen(self) -> None:
        assert self._program is not None
        assert self._program.stdout is not None
        for line in self._program.stdout:
            self._lines.append(line.rstrip("\n"))

    def _answer(self) -> Any:
        assert self._program is not None
        assert self._program.stdout is not None
        return json.loads(self._program.stdout.readline())

    def cpu_s(self) -> float:
        """User and system time of all its threads, from the scheduler's own nanoseconds; ended threads by ticks."""
        if self._program is None:
            return 0.0
        ticks = Path(f"/proc/{self._program.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        coarse = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        fine = 0
        for task in Path(f"/proc/{self._program.pid}/task").iterdir():
            fine += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
        return max(fine / 1e9, coarse if abs(coarse - fine / 1e9) > 0.5 else 0.0)

    def peak_mb(self) -> float:
        """Peak resident memory, MB."""
        if self._program is None:
            return 0.0
        status = Path(f"/proc/{self._program.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1000 if found else 0.0

    def state(self) -> tuple[dict[str, tuple[int, int | None]], int | None]:
        """Bytes and packets so far by application ("" is nobody), and packets that the tool says it lost."""
        if self._program is None:
            return {}, None
        if self.name == "nethogs":
            time.sleep(2.2)
            return _nethogs_totals(self._lines), None
        assert self._program.stdin is not None
        for _ in range(2):
            self._program.stdin.write("\n")
            self._program.stdin.flush()
            answer = self._answer()
        return {name: (pair[0], pair[1]) for name, pair in answer["apps"].items()}, answer["lost"]

    def stop(self) -> None:
        """End it."""
        if self._program is not None:
            by = signal.SIGINT if self.name == "nethogs" else signal.SIGTERM
            if self.name != "nethogs":
                assert self._program.stdin is not None
                self._program.stdin.close()
                self._program.wait(20)
            self._lab.finish(self._program, by)


def _nethogs_totals(lines: list[str]) -> dict[str, tuple[int, int | None]]:
    """Largest totals that any refresh showed for each line: NetHogs drops processes that ended after a while."""
    best: dict[str, float] = {}
    for line in lines:
        parts = line.split("\t")
        if len(parts) == 3:
            best[parts[0]] = max(best.get(parts[0], 0.0), float(parts[1]) + float(parts[2]))
    totals: dict[str, int] = defaultdict(int)
    for key, size in best.items():
        path = key.rsplit("/", 2)[0]
        name = "" if path.startswith("unknown") or re.search(r"\d-\S+:\d+$", path) else Path(path.split()[0]).name
        totals[name] += int(size)
    return {name: (size, None) for name, size in totals.items()}


def run_flood(lab: Lab, tool: Tool, rate: int, seconds: float) -> Load:
    cpu, truth = tool.cpu_s(), lab.counters()
    done = lab.run("host", sys.executable, __file__, "--flood", str(rate), str(seconds))
    time.sleep(1.5)  # what the tool still has in hand belongs to this load
    report = json.loads(done.stdout)
    return Load(lab.counters() - truth, tool.cpu_s() - cpu, report["cpu_s"], report["seconds"])


def run_short(lab: Lab, tool: Tool, folder: Path) -> Load:
    tiny = folder / "tiny"
    if not tiny.exists():
        shutil.copy2(shutil.which("bash") or "/bin/bash", tiny)
    script = f"for i in $(seq {PROCESSES}); do {tiny} -c 'printf %0{SHORT_BYTES}d 0 >/dev/tcp/{NEAR4}/7001'; done"
    cpu, truth, began = tool.cpu_s(), lab.counters(), time.monotonic()
    lab.run("host", "bash", "-c", script)
    spent = time.monotonic() - began
    time.sleep(1.5)
    return Load(lab.counters() - truth, tool.cpu_s() - cpu, seconds=spent)


def sinks(lab: Lab) -> list[socket.socket]:
    """What takes the packets in the router: a UDP socket nobody reads, and a TCP sink."""
    datagrams = lab.socket("router", socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((NEAR4, 7003))
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener = lab.socket("router", socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((NEAR4, 7001))
    listener.listen(128)

    def take() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                while link.recv(65536):
                    pass

    threading.Thread(target=take, daemon=True).start()
    return [datagrams, listener]


def measure(name: str, folder: Path) -> dict[str, Any]:
    """All loads under one tool."""
    result: dict[str, Any] = {}
    with Lab() as lab:
        held = sinks(lab)
        for load_name, load in (("steady", STEADY), ("burst", BURST), ("short", None)):
            for _ in range(ATTEMPTS):
                found = _one(lab, name, load, folder)
                if load is None or found["packets_per_s"] >= REACHED * load[0]:
                    break
            result[load_name] = found
        for made in held:
            made.shutdown(socket.SHUT_RDWR) if made.type == socket.SOCK_STREAM else None
            made.close()
    return result


def _one(lab: Lab, name: str, load: tuple[int, float] | None, folder: Path) -> dict[str, Any]:
    tool = Tool(lab, name)
    try:
        before, lost_before = tool.state()
        done = run_flood(lab, tool, *load) if load else run_short(lab, tool, folder)
        cpu_s, peak_mb = done.tool_cpu_s, tool.peak_mb()
        after, lost = tool.state()
    finally:
        tool.stop()
    found = _report(done, before, after, cpu_s, peak_mb)
    if lost is not None and lost_before is not None:
        found["lost_by_its_own_count"] = lost - lost_before
    return found


Totals = dict[str, tuple[int, int | None]]


def _report(load: Load, before: Totals, after: Totals, cpu_s: float, peak_mb: float) -> dict[str, Any]:
    def gained(name: str, at: int) -> int:
        return (after[name][at] or 0) - (before.get(name, (0, 0))[at] or 0)

    packets = load.truth.rx_packets + load.truth.tx_packets
    size = load.truth.rx_bytes + load.truth.tx_bytes
    report: dict[str, Any] = {
        "packets": packets,
        "packets_per_s": round(packets / load.seconds) if load.seconds else None,
        "tool_cpu_s": round(cpu_s, 4),
        "tool_us_per_packet": round(cpu_s * 1e6 / packets, 4),
        "peak_mb": round(peak_mb, 1),
    }
    if load.sender_cpu_s:
        report["sender_us_per_packet"] = round(load.sender_cpu_s * 1e6 / load.truth.tx_packets, 4)
    if not after:
        return report
    report["bytes_seen_ratio"] = round(sum(gained(name, 0) for name in after) / size, 5)
    if all(packet is not None for _, packet in after.values()):
        report["packets_missing"] = packets - sum(gained(name, 1) for name in after)
    if "tiny" in after or not load.sender_cpu_s:
        report["named_ratio"] = round((gained("tiny", 0) if "tiny" in after else 0) / size, 4)
    return report


def verdict(tools: dict[str, Any]) -> dict[str, Any]:
    """The targets of the issue, held against what was measured."""
    said: dict[str, Any] = {}
    if "kernel" in tools and "nethogs" in tools:
        ratio = tools["kernel"]["steady"]["tool_us_per_packet"] / tools["nethogs"]["steady"]["tool_us_per_packet"]
        said["kernel_cpu_of_nethogs"] = {"value": round(ratio, 4), "at_most": TARGETS["kernel_cpu_of_nethogs"]}
    if "kernel" in tools:
        said["kernel_missing_at_200k"] = {"value": tools["kernel"]["burst"]["packets_missing"], "at_most": 0}
        said["kernel_named"] = {"value": tools["kernel"]["short"]["named_ratio"], "at_least": TARGETS["kernel_named"]}
    if "divert" in tools:
        divert = tools["divert"]
        cost = divert["steady"]["tool_us_per_packet"]
        said["divert_us_per_packet"] = {"value": cost, "at_most": TARGETS["divert_us_per_packet"]}
        said["divert_missing_at_200k"] = {"value": divert["burst"]["packets_missing"], "at_most": 0}
        said["divert_peak_mb"] = {"value": divert["burst"]["peak_mb"], "at_most": TARGETS["divert_peak_mb"]}
        said["divert_named"] = {"value": divert["short"]["named_ratio"], "at_least": TARGETS["divert_named"]}
    for name, line in said.items():
        tool = tools[name.partition("_")[0]]
        load = BURST if name.endswith(("200k", "peak_mb")) else STEADY
        reached = tool["burst" if load is BURST else "steady"]["packets_per_s"]
        if not name.endswith("named") and reached < REACHED * load[0]:
            line["met"] = f"not measured: this machine sent {reached} packets/s at most"
            continue
        line["met"] = line["value"] <= line["at_most"] if "at_most" in line else line["value"] >= line["at_least"]
    return said


def main() -> None:
    if sys.argv[1:2] == ["--flood"]:
        flood(int(sys.argv[2]), float(sys.argv[3]))
    elif sys.argv[1:2] == ["--drive"]:
        drive(sys.argv[2])
    else:
        names = sys.argv[1:] or ["none", "kernel", "divert", "nethogs"]
        with tempfile.TemporaryDirectory(prefix="qos-bench-") as folder:
            tools = {name: measure(name, Path(folder)) for name in names}
        machine = {"kernel": os.uname().release, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        print(json.dumps({"machine": machine, "tools": tools, "targets": verdict(tools)}, indent=2))


if __name__ == "__main__":
    main()
