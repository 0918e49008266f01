"""Runs one capture backend inside a namespace: polls it like a tick, and answers every line on standard input with what
each application moved so far, as JSON: ``{"apps": {name: [rx, tx]}, "nobody": [rx, tx], "lost": n, "notes": [...]}``.

    python -m tests.collector.capture.capture_driver kernel|divert|sockdiag INTERVAL_S
"""

import json
import select
import sys
import time
from collections import defaultdict
from pathlib import Path

from qos.contract.config import parse_config


def main(backend: str, interval_s: float) -> None:
    from collector.capture.choose import choose

    capture, _why = choose(parse_config(f"collector:\n  capture: {backend}\n"))
    apps: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    nobody = [0, 0]
    lost = 0
    notes: list[str] = []

    def poll() -> None:
        nonlocal lost
        sample = capture.poll()
        for delta in sample.deltas:
            into = nobody if delta.owner is None else apps[name_of(delta.owner.name, delta.owner.exe)]
            into[0] += delta.rx_bytes
            into[1] += delta.tx_bytes
        lost += sample.lost
        notes.extend(sample.notes)

    try:
        say({"ready": capture.name})
        due = time.monotonic() + interval_s
        while True:
            if select.select([sys.stdin], [], [], max(due - time.monotonic(), 0))[0]:
                if not sys.stdin.readline():
                    return
                poll()  # a backend with a reader of its own may still have packets in hand: look twice
                time.sleep(0.05)
                poll()
                say({"apps": apps, "nobody": nobody, "lost": lost, "notes": notes})
            if time.monotonic() >= due:
                poll()
                due += interval_s
    finally:
        capture.stop()


def name_of(name: str, exe: str) -> str:
    return Path(exe).name if exe else name


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
