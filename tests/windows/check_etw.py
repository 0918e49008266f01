"""What this Windows answers to the open questions about its network events. Prints JSON; for an administrator.

Exit status 1 when the canary fails: then `capture: auto` would not choose ETW here.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from collector.capture import CaptureUnavailable
from collector.capture.etw import canary
from collector.capture.etw.backend import EtwCapture
from collector.capture.etw.callbacks import Feed
from collector.capture.etw.session import Session
from collector.capture.etw.structures import EventTraceLogfile, TraceProperties


def ways(raw: bool) -> dict[str, Any]:
    """One session: what of the canary its events show."""
    from collector.capture.etw.api_windows import Sechost

    feed = Feed()
    session = Session(Sechost(), feed, raw=raw)
    session.start()
    try:
        sent = canary.send()
        seen = canary.Sightings(sent, os.getpid())
        deadline, counted = time.monotonic() + 5, None
        while seen.missing() and time.monotonic() < deadline:
            session.flush()
            time.sleep(0.2)
            counted = feed.take()
            seen.add(counted)
        lost = session.lost()
        return {
            "raw": session.raw,
            "sent": {one.way: one.size for one in sent},
            "missing": seen.missing(),
            "unreadable": counted.unreadable if counted is not None else 0,
            "lost": [lost.events, lost.buffers],
        }
    finally:
        session.stop()


def answers() -> dict[str, Any]:
    """All of them."""
    from collector.capture.etw.counters_windows import SystemCounters

    counters = SystemCounters()
    found: dict[str, Any] = {
        "windows": list(sys.getwindowsversion()[:3]),  # type: ignore[attr-defined,unused-ignore] # on Windows only
        "sizes": [ctypes.sizeof(TraceProperties), ctypes.sizeof(EventTraceLogfile)],
        "counters by process (class 114)": counters.by_process,
        "datagrams counted by the system": counters.datagrams(),
    }
    for name, raw in (("whole buffers", True), ("single events", False)):
        try:
            found[name] = ways(raw)
        except CaptureUnavailable as error:
            found[name] = str(error)
    capture = EtwCapture()
    try:
        capture.start()
        time.sleep(3)
        sample = capture.poll()
        found["capture"] = {"applications": len(sample.deltas), "lost": sample.lost, "notes": sample.notes}
        capture.stop()
    except CaptureUnavailable as error:
        found["capture"] = str(error)
    return found


def main() -> int:
    """Print them."""
    if sys.platform != "win32":
        print("this is for Windows")
        return 0
    found = answers()
    print(json.dumps(found, indent=2))
    return int(not isinstance(found["capture"], dict))


if __name__ == "__main__":
    sys.exit(main())
