"""What one ETW event costs: CPU per event of the parser over buffers of recorded shape; memory over a minute's worth.

The shapes are those of a public recording of Microsoft-Windows-Kernel-Network (sizes of payloads and records, a few
bytes to 25 kB a receive, most from few flows). Run on Linux: what Windows adds is not in these figures.

``--beside COMMIT`` measures that commit's parser too, in turn with this one in the same run.
"""

import argparse
import ctypes
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from collector.capture.etw.flows import by_process
from collector.capture.etw.layout import NETWORK
from collector.capture.etw.parser import Parser
from tests.collector.capture.etw.trace_buffers import buffer, record, v4, v6

BUFFER_BYTES = 256 * 1024
RATE = 50_000
ROUNDS = 15


def buffers(seed: int, events: int, flows: int, six: float) -> list[bytes]:
    """Buffers of ``events`` records in all: 60 % receives, 30 % sends, 10 % datagrams."""
    rng = random.Random(seed)
    ends = [
        (
            rng.randrange(1000, 1060),
            f"93.184.{rng.randrange(256)}.{rng.randrange(1, 255)}",
            rng.randbytes(16),
            rng.randrange(49152, 65535),
        )
        for _ in range(flows)
    ]
    made: list[Any] = []
    current: list[Any] = []
    size = 72
    for _ in range(events):
        pid, host, address, port = ends[min(int(rng.expovariate(0.05)), flows - 1)]
        length = rng.choice((1460, 1460, 2641, 4101, 8760, 25235, 517, 39, 1200))
        kind = rng.choices((0, 1, 2, 3), (60, 30, 5, 5))[0]
        if rng.random() < six:
            payload = v6(pid, length, address, b"\x20\x01" + bytes(14), 443, port)
            one = record((27, 26, 59, 58)[kind], payload)
        else:
            one = record((11, 10, 43, 42)[kind], v4(pid, length, host, "192.168.1.20", 443, port))
        if size + len(one) > BUFFER_BYTES:
            made.append(buffer(current))
            current, size = [], 72
        current.append(one)
        size += len(one)
    made.append(buffer(current))
    return made


def raw(data: list[bytes], events: int, former: tuple[ModuleType, ModuleType] | None) -> dict[str, float]:
    """One call per raw buffer; the best of ``ROUNDS``."""
    best, before = 1e9, 1e9
    for _ in range(ROUNDS):
        best = min(best, _timed(lambda: _feed(Parser, by_process, data)))
        if former is not None:
            before = min(before, _timed(lambda: _feed(former[0].Parser, former[1].by_process, data)))
    result = {
        "cpu_us_per_event": round(best / events * 1e6, 3),
        "share_of_a_core_at_50k": round(best / events * RATE, 4),
    }
    if former is not None:
        result["before_us_per_event"] = round(before / events * 1e6, 3)
    return result


def at_commit(commit: str) -> tuple[ModuleType, ModuleType]:
    """The parser and the flows of that commit, beside those of this checkout."""
    modules = []
    for name in ("parser", "flows"):
        path = f"collector/capture/etw/{name}.py"
        text = subprocess.run(["git", "show", f"{commit}:{path}"], capture_output=True, text=True, check=True).stdout
        module = ModuleType(f"former_{name}")
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(compile(text, f"{commit}:{path}", "exec"), module.__dict__)
        modules.append(module)
    return modules[0], modules[1]


def callbacks(events: int) -> dict[str, float]:
    """One call per event, from C, as ``ProcessTrace`` makes it (the way of systems without raw buffers)."""
    from collector.capture.etw.callbacks import Feed, event_callback

    payload = v4(1234, 1460, "93.184.216.34", "192.168.1.20", 443, 50000)
    held = ctypes.create_string_buffer(payload)
    one = bytearray(112)
    one[24:40] = NETWORK.bytes_le
    one[40:42] = (11).to_bytes(2, "little")
    one[86:88] = len(payload).to_bytes(2, "little")
    one[96:104] = ctypes.addressof(held).to_bytes(8, "little")
    pointer = (ctypes.c_char * 112).from_buffer(one)
    feed = Feed()
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(event_callback(feed, lambda error: None))
    address = ctypes.addressof(pointer)

    def run() -> None:
        for _ in range(events):
            function(address)

    best = min(_timed(run) for _ in range(3))
    assert feed.take().events == 3 * events
    return {"cpu_us_per_event": round(best / events * 1e6, 3), "share_of_a_core_at_50k": round(best / events * RATE, 4)}


def memory(data: list[bytes], events: int) -> dict[str, float]:
    """Resident memory before and after a minute's worth at 50,000 events a second, taken once a second."""
    parser = Parser()
    for chunk in data:
        parser.add_buffer(chunk)
    by_process(parser.take())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = 60
    for _ in range(seconds):
        left = RATE
        while left > 0:
            for chunk in data:
                parser.add_buffer(chunk)
            left -= events
        by_process(parser.take())
    return {"seconds": seconds, "growth_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}


def _feed(parser_of: Callable[[], Any], totals: Callable[[Any], object], data: list[bytes]) -> None:
    parser = parser_of()
    for chunk in data:
        parser.add_buffer(memoryview(chunk))
    totals(parser.take())


def _timed(work: object) -> float:
    began = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - began


def main() -> None:
    """Print the figures as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--beside", metavar="COMMIT")
    commit = options.parse_args().beside
    former = at_commit(commit) if commit else None
    events = 50_000
    result = {
        "python": sys.version.split()[0],
        "raw_ipv4_40_flows": raw(buffers(1, events, 40, 0.0), events, former),
        "raw_mixed_400_flows": raw(buffers(2, events, 400, 0.4), events, former),
        "raw_ipv6_2000_flows": raw(buffers(3, events, 2000, 1.0), events, former),
        "callbacks_ipv4": callbacks(events),
        "memory": memory(buffers(4, events, 400, 0.4), events),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
