"""The page's budget, as JSON: memory, CPU, bytes a second, first paint and data, reloads, restarts, long history.

``python bench/page.py [--quick]``: a writer plays a collector with 50 applications, the real server serves it, a real
Chromium looks at it. As root on Linux also the whole agent (``autoqos up --page``) in a namespace of its own.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from qos.contract.points import AppTraffic, HostTraffic, Point, Probe  # noqa: E402
from qos.store.sqlite.store import SqliteStore  # noqa: E402
from tests.console.page.rig import Api, PageProcess  # noqa: E402
from tests.console.samples import live_document  # noqa: E402

S = 10**9
APPS = 50
TARGETS = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
MOST_UPKEEP_S = 150
PARTS = ("server", "restart", "agent", "timeline")
WRITER = """
import sys, time
sys.path.insert(0, {root!r})
from bench.page import tick
from pathlib import Path
from qos.store.sqlite.store import SqliteStore
with SqliteStore(Path({data!r}) / "autoqos.db") as store:
    while True:
        tick(store, time.time_ns() // 10**9 * 10**9)
        time.sleep(1 - time.time() % 1)
"""


def traffic(time_ns: int, app: int) -> AppTraffic:
    rx = 2_000 + 37 * ((time_ns // S + app * 131) % 900)
    return AppTraffic(
        time_ns=time_ns, host="bench", app=f"application{app:02d}", rx_bytes=rx, tx_bytes=rx // 9, rx_packets=9,
        tx_packets=5, flows=2, processes=1, priority=3,
    )  # fmt: skip


def host(time_ns: int, apps: int) -> HostTraffic:
    return HostTraffic(
        time_ns=time_ns, host="bench", iface="eth0", rx_bytes=20_000 * apps, tx_bytes=2_000 * apps, rx_drops=0,
        tx_drops=0, rx_errors=0, tx_errors=0, unattributed_rx_bytes=100, unattributed_tx_bytes=10,
    )  # fmt: skip


def probe(time_ns: int, target: str) -> Probe:
    return Probe(time_ns=time_ns, host="bench", target=target, ok=1, rtt_ms=12.5, loss_ratio=0.0, sent=1, received=1)


def tick(store: SqliteStore, now_ns: int) -> None:
    """What a collector writes in a second."""
    row = live_document(0)["apps"][0]
    apps = [
        row
        | {"app": f"application{n:02d}", "rx_bps": traffic(now_ns, n).rx_bytes * 8, "rx_bytes": now_ns // S * 90 + n}
        for n in range(APPS)
    ]
    processes = [app | {"pid": 1000 + n, "name": app["app"], "started_ns": 1} for n, app in enumerate(apps)]
    probes = [
        {"target": target, "ok": 1, "rtt_ms": 12.5, "jitter_ms": 0.1, "loss_ratio": 0.0, "reason": ""}
        for target in TARGETS
    ]
    points: list[Point] = [*(traffic(now_ns, n) for n in range(APPS)), host(now_ns, APPS)]
    points += [probe(now_ns, target) for target in TARGETS]
    live = live_document(now_ns, apps=apps, processes=processes, probes=probes, started_ns=now_ns - 3600 * S)
    store.write(points, states={"live": live})


def pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1000, 1)
    raise RuntimeError("no Pss")


def cpu_percent(process: psutil.Process, seconds: float) -> float:
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return round(100 * (after.user + after.system - before.user - before.system) / seconds, 2)


def stream_bytes(api: Api, seconds: float) -> tuple[float, float]:
    """Bytes a second of the event stream, after its history; and bytes of a frame."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {api.token}"})
    response = connection.getresponse()
    frames, begin = [], 0.0
    while not begin or time.monotonic() - begin < seconds:
        line = response.readline()
        if line.startswith(b"data: ") and b'"apps":[{"app":"application' in line and b'"time_ms"' in line:
            begin = begin or time.monotonic()
            frames.append(len(line) + 40)
    connection.close()
    return round(sum(frames[1:]) / seconds / 1000, 2), round(statistics.mean(frames) / 1000, 2)


def open_page(page: Page, api: Api, process: PageProcess) -> dict[str, float]:
    """First paint and first data of a cold load, ms."""
    code = process.another_code()
    page.goto(f"http://127.0.0.1:{api.port}/#code={code}")
    page.wait_for_selector("tr[data-app=application00]")
    return times(page)


def times(page: Page) -> dict[str, float]:
    data = page.evaluate("performance.now()")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1")
    return {"first_paint_ms": round(paint), "first_data_ms": round(data)}


def history(data: Path, apps: int = 10) -> dict[str, float]:
    """A month at one point a minute and a year at one an hour; seconds that writing and the roll-ups took."""
    begin, now = time.monotonic(), time.time_ns() // (60 * S) * 60 * S
    with SqliteStore(data / "autoqos.db") as store:
        for step, count in ((3600 * S, 365 * 24), (60 * S, 30 * 24 * 60)):
            batch: list[Any] = []
            for index in range(1, count):
                at = now - index * step
                batch += [traffic(at, app) for app in range(apps)] + [host(at, apps)]
                if len(batch) > 20_000:
                    store.write(batch)
                    batch = []
            store.write(batch)
        written = time.monotonic()
        while not (done := store.maintain(time.time_ns(), budget_s=2)) and time.monotonic() - written < MOST_UPKEEP_S:
            pass
    ended = time.monotonic()
    return {"write_s": round(written - begin, 1), "upkeep_s": round(ended - written, 1), "upkeep_done": done}


def draw(page: Page, button: str) -> float:
    """Milliseconds from pressing a period's button to the drawn chart."""
    page.evaluate("location.hash = '#/timeline'")
    page.wait_for_selector(".u-over")
    page.wait_for_timeout(800)
    return float(
        page.evaluate(
            """async (text) => {
              const title = document.querySelector("#main h2");
              const before = title.textContent = "", begin = performance.now();
              [...document.querySelectorAll("#main button")].find((b) => b.textContent === text).click();
              while (title.textContent === before) {
                if (performance.now() - begin > 20000) return -1;
                await new Promise((ok) => setTimeout(ok, 5));
              }
              await new Promise((ok) => requestAnimationFrame(() => setTimeout(ok, 0)));
              return Math.round(performance.now() - begin);
            }""",
            button,
        )
    )


def whole_agent(folder: Path) -> dict[str, Any] | str:
    """PSS of every process of `autoqos up --page` in a lab, with one page open in a browser."""
    if os.geteuid() != 0:
        return "needs root"
    from tests.console.page.rig import Agent, chromium
    from tests.lab import Lab

    with Lab() as lab, contextlib.ExitStack() as stack:
        agent = Agent(folder, lab)
        url = agent.address()
        browser = stack.enter_context(chromium(namespace=lab.namespace("host"), folder=folder))
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#connection:has-text('live')", timeout=30_000)
        time.sleep(20)
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if str(agent.data) in line and "console" in line:
                found[line[line.index("console") + 1]] = pss(process.pid)
        return {"pss_mb": found, "sum_mb": round(sum(found.values()), 1)}


class _Spoken(dict[str, Any]):
    """Says each figure on standard error as soon as it is known."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        print(f"{key}: {json.dumps(value)}", file=sys.stderr)


def open_server(
    stack: contextlib.ExitStack, fill: Callable[[Path], object] = lambda _data: None
) -> tuple[PageProcess, Api, Path]:
    """A page over a folder with what ``fill`` writes into it."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    data, config = folder / "data", folder / "config.yaml"
    data.mkdir()
    config.write_text("collector: {capture: psutil, targets: []}\nforecast: {enabled: false}\n")
    fill(data)
    server = PageProcess(config, data)
    stack.callback(server.stop)
    api = Api(server.port)
    api.log_in(server.code)
    return server, api, data


def recent(data: Path, minutes: int = 60) -> None:
    """What the agent measured until now, each second: a page's history is full from the start."""
    now = time.time_ns() // S * S
    with SqliteStore(data / "autoqos.db") as store:
        for begin in range(minutes * 60, 0, -60):
            times_ns = [now - second * S for second in range(begin, begin - 60, -1)]
            points: list[Point] = [traffic(at, app) for at in times_ns for app in range(APPS)]
            points += [host(at, APPS) for at in times_ns]
            points += [probe(at, target) for at in times_ns for target in TARGETS]
            store.write(points)


def measure_server(stack: contextlib.ExitStack, browser: Browser, result: dict[str, Any], seconds: float) -> None:
    """A server with a collector of 50 applications since an hour: idle, one page, 50 reloads, five pages."""
    server, api, data = open_server(stack, recent)
    writer = subprocess.Popen([sys.executable, "-c", WRITER.format(root=str(ROOT), data=str(data))])
    stack.callback(writer.wait)
    stack.callback(writer.kill)
    process = psutil.Process(server.process.pid)
    time.sleep(3)
    result["idle"] = {"pss_mb": pss(process.pid), "cpu_percent": cpu_percent(process, seconds / 2)}
    result["stream_kB_per_s"], result["frame_kB"] = stream_bytes(api, seconds / 2)
    page = browser.new_context().new_page()
    result["cold"] = open_page(page, api, server)
    result["one_page"] = {"cpu_percent": cpu_percent(process, seconds), "pss_mb": pss(process.pid)}
    reloads, grown = [], []
    for count in range(50):
        page.reload()
        page.wait_for_selector("tr[data-app=application00]")
        reloads.append(times(page))
        if count % 10 == 9:
            grown.append(pss(process.pid))
    result["reloads"] = {"count": 50, "pss_mb_every_10": grown}
    for name in ("first_paint_ms", "first_data_ms"):
        found = [reload[name] for reload in reloads]
        result[f"reload_{name}"] = {"median": statistics.median(found), "worst": max(found)}
    for _ in range(4):
        open_page(browser.new_context().new_page(), api, server)
    result["five_pages"] = {"cpu_percent": cpu_percent(process, seconds), "pss_mb": pss(process.pid)}


def restart_once(
    browser: Browser, config: Path, data: Path, server: PageProcess
) -> tuple[PageProcess, dict[str, float]]:
    """Kill the server under an open page and start it: seconds from when it listens until the page is locked."""
    page = browser.new_context().new_page()
    open_page(page, Api(server.port), server)
    server.stop(signal.SIGKILL)
    time.sleep(random.uniform(0.5, 3))  # the page's next try falls anywhere
    since: list[float] = []

    def watch() -> None:
        while not since:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", server.port)) == 0:
                    since.append(time.monotonic())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    again = PageProcess(config, data, server.port)
    page.wait_for_selector("text=Locked", timeout=20_000)
    locked = time.monotonic()
    watcher.join()
    page.get_by_label("Address or code").fill(again.code)
    page.get_by_role("button", name="Unlock").click()
    begun = time.monotonic()
    page.wait_for_selector("tr[data-app=application00]")
    live = time.monotonic()
    page.context.close()
    return again, {"locked_s": round(locked - since[0], 2), "unlocked_s": round(live - begun, 2)}


def measure_restart(stack: contextlib.ExitStack, browser: Browser, result: dict[str, Any], times: int) -> None:
    """Kill -9 and a new server, so often; then a server that is stopped for eight seconds and goes on."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    data, config = folder / "data", folder / "config.yaml"
    data.mkdir()
    config.write_text("collector: {capture: psutil, targets: []}\nforecast: {enabled: false}\n")
    writer = subprocess.Popen([sys.executable, "-c", WRITER.format(root=str(ROOT), data=str(data))])
    stack.callback(writer.wait)
    stack.callback(writer.kill)
    server = PageProcess(config, data)
    time.sleep(2)
    found = []
    for _ in range(times):
        server, one = restart_once(browser, config, data, server)
        found.append(one)
    stack.callback(server.stop)
    for name in ("locked_s", "unlocked_s"):
        values = [one[name] for one in found]
        result[f"restart_{name}"] = {"times": times, "median": statistics.median(values), "worst": max(values)}
    page = browser.new_context().new_page()
    open_page(page, Api(server.port), server)
    resumed = []
    for _ in range(3):
        server.process.send_signal(signal.SIGSTOP)
        page.wait_for_selector("#connection:has-text('no connection')", timeout=20_000)
        time.sleep(random.uniform(0, 2))
        server.process.send_signal(signal.SIGCONT)
        begun = time.monotonic()
        page.wait_for_selector("#connection:has-text('live')", timeout=20_000)
        resumed.append(round(time.monotonic() - begun, 2))
    result["stalled_live_again_s"] = resumed


def measure_timeline(stack: contextlib.ExitStack, browser: Browser, result: dict[str, Any], apps: int) -> None:
    """Weeks, a month and a year on the timeline."""
    server, api, data = open_server(stack)
    result["history"] = history(data, apps)
    code = server.another_code()
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{api.port}/#code={code}")
    page.wait_for_selector("#connection")
    result["timeline_ms"] = {name: [draw(page, name) for _ in range(3)] for name in ("1 week", "1 month", "1 year")}
    result["after_timeline"] = {"pss_mb": pss(server.process.pid)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--part", choices=PARTS, action="append", help="only these")
    options = parser.parse_args()
    parts = options.part or PARTS
    result: dict[str, Any] = _Spoken()
    with contextlib.ExitStack() as stack:
        if "agent" in parts:
            result["agent"] = whole_agent(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)
        if "server" in parts:
            measure_server(stack, browser, result, 8 if options.quick else 30)
        if "restart" in parts:
            measure_restart(stack, browser, result, 5 if options.quick else 10)
        if "timeline" in parts:
            measure_timeline(stack, browser, result, 2 if options.quick else 10)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
