"""Pictures of every view and question of the page, by a real agent in a namespace with six applications.

``python bench/page_pictures.py FOLDER`` (root, Linux; about six minutes): a line of 20 and 5 Mbit/s with a deep buffer,
eight days of made-up history before it, a forecaster that runs; a lag that steam makes while nothing is enforced, then
limits. Written are ``VIEW-WIDTH-SCHEME.png`` for 1280 and 390 pixels, light and dark; JSON says what was wrong:
sideways scroll, complaints of the browser.
"""

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, expect  # noqa: E402 - the root comes first

from bench.lag_lab import Delay  # noqa: E402
from qos.contract.points import AppTraffic, HostTraffic, LagIncident, Point, Probe  # noqa: E402
from qos.store.sqlite.store import SqliteStore  # noqa: E402
from tests.console.page.rig import Agent, chromium, watch  # noqa: E402
from tests.lab import Lab  # noqa: E402

S = 10**9
TARGETS = ("1.1.1.1", "8.8.8.8")
SETTINGS = """\
# The computer of the pictures.
collector: {targets: [1.1.1.1, 8.8.8.8]}
mode: observe          # the page sets this to enforce
link: {down: 20mbit, up: 5mbit}
apps:
  - match: "zoom*"     # calls come first
    priority: 0
forecast:
  models: [naive, seasonal_naive, window_quantiles, ridge]
  every: 5m
"""
USUAL = {  # bytes a second received at a busy hour, and sent
    "firefox": (280_000, 30_000),
    "steam": (420_000, 9_000),
    "zoom": (110_000, 95_000),
    "spotify": (24_000, 900),
    "onedrive": (12_000, 60_000),
    "discord": (8_000, 4_000),
}
VIEWS = ("", "timeline", "usage", "forecast", "settings", "health", "app/steam")


def minute(at_ns: int, step_s: int, host: str, draw: random.Random) -> list[Point]:
    """What ``step_s`` seconds before ``at_ns`` moved: more in the evening, steam only then."""
    hour = time.localtime(at_ns // S).tm_hour + time.localtime(at_ns // S).tm_min / 60
    busy = 0.15 + 0.85 * math.exp(-(((hour - 20) / 3.5) ** 2)) + 0.35 * math.exp(-(((hour - 11) / 3) ** 2))
    rows: list[Point] = []
    total = [0, 0]
    for app, (down, up) in USUAL.items():
        if app == "steam" and not 18 <= hour <= 23:
            continue
        rx, tx = (int(step_s * busy * rate * draw.lognormvariate(0, 0.35)) for rate in (down, up))
        total = [total[0] + rx, total[1] + tx]
        rows.append(
            AppTraffic(time_ns=at_ns, host=host, app=app, rx_bytes=rx, tx_bytes=tx, rx_packets=rx // 1200,
                       tx_packets=tx // 600, flows=3, processes=1, priority=3)
        )  # fmt: skip
    unnamed = [total[0] // 80, total[1] // 80]
    rows.append(
        HostTraffic(time_ns=at_ns, host=host, iface="eth0", rx_bytes=total[0] + unnamed[0],
                    tx_bytes=total[1] + unnamed[1], rx_drops=0, tx_drops=0, rx_errors=0, tx_errors=0,
                    unattributed_rx_bytes=unnamed[0], unattributed_tx_bytes=unnamed[1])
    )  # fmt: skip
    for index, target in enumerate((*TARGETS, "gateway")):
        rtt = (13.6, 13.9, 0.4)[index] * draw.lognormvariate(0, 0.06) + (0 if target == "gateway" else 9 * busy**4)
        rows.append(
            Probe(
                time_ns=at_ns, host=host, target=target, ok=1, rtt_ms=rtt, loss_ratio=0.0, sent=step_s, received=step_s
            )
        )
    return rows


def history(data: Path) -> None:
    """Eight days, with nights in which the computer slept, and two evenings with lag."""
    draw, host, now = random.Random(7), socket.gethostname(), time.time_ns() // (60 * S) * 60 * S
    data.mkdir(parents=True, exist_ok=True)
    with SqliteStore(data / "autoqos.db") as store:
        batch: list[Point] = []
        for ago_s, step_s in [
            *((m * 60, 60) for m in range(8 * 1440, 90, -1)),
            *((t, 10) for t in range(5400, 400, -10)),
            *((t, 1) for t in range(400, 8, -1)),
        ]:
            at = now - ago_s * S
            if ago_s > 40_000 and 1 <= time.localtime(at // S).tm_hour < 7:
                continue  # asleep
            batch += minute(at, step_s, host, draw)
        for days, app, extra in ((1, "steam", 143.0), (3, "onedrive", 88.0)):
            batch.append(
                LagIncident(time_ns=now - (days * 86400 - 1200) * S, host=host, duration_s=420.0, extra_ms=extra,
                            loss_ratio=0.0, cause="application", app=app, direction="down", share_ratio=0.81,
                            confidence=0.9, running=0, evidence=f"{app} took 81 % of the line from 4 s before it began")
            )  # fmt: skip
        store.write(batch)
        until = time.monotonic() + 60
        while not store.maintain(time.time_ns(), budget_s=2) and time.monotonic() < until:
            pass


class Scene:
    """The agent, and applications that are copies of the Python interpreter under their names."""

    def __init__(self, folder: Path, lab: Lab, stack: contextlib.ExitStack) -> None:
        self.folder, self.lab = folder, lab
        history(folder / "data")
        self._targets(stack)
        lab.start("peer", sys.executable, str(ROOT / "bench" / "lag_traffic.py"), "serve")
        self.agent = Agent(folder, lab, SETTINGS)

    def _targets(self, stack: contextlib.ExitStack) -> None:
        """Behind the peer, 13 ms away with a little jitter; the gateway is on this side of the bottleneck."""
        lab, binary = self.lab, str(self.folder / "delay")
        subprocess.run(["cc", "-O2", "-o", binary, str(ROOT / "bench" / "lag_delay.c"), "-lm"], check=True)
        near, far = f"{lab.prefix}da", f"{lab.prefix}db"
        delay = Delay(binary, (lab.namespace("peer"), near), (lab.namespace("other"), far), 1)
        stack.callback(delay.stop)
        delay.set(13, 2)
        ends: tuple[tuple[Literal["peer", "other"], str, int], ...] = (("peer", near, 1), ("other", far, 2))
        for where, device, last in ends:
            lab.run(where, "ip", "addr", "add", f"10.77.9.{last}/24", "dev", device)
            lab.run(where, "ip", "link", "set", device, "up")
        lab.run("peer", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for address in TARGETS:
            lab.run("other", "ip", "addr", "add", f"{address}/32", "dev", "lo")
            lab.run("peer", "ip", "route", "add", f"{address}/32", "via", "10.77.9.2")
            lab.run("router", "ip", "route", "add", f"{address}/32", "via", "10.77.1.1")
        lab.run("other", "ip", "route", "add", "10.77.0.0/24", "via", "10.77.9.1")

    def app(self, name: str, *words: str) -> None:
        """Start an application of that name."""
        program = self.folder / "bin" / name
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            shutil.copy2("/usr/bin/python3", program)
        self.lab.start("host", str(program), str(ROOT / "bench" / "lag_traffic.py"), *words, "10.77.1.1")


def ask(page: Page, app: str, name: str) -> None:
    """Open a question about an application."""
    row = page.locator(f"tr[data-app={app}]")
    if name == "limit":
        row.get_by_label(f"Download limit of {app}").click()
    elif name == "why":
        row.get_by_role("button", name=f"Why is {app}").click()
    elif name == "what-if":
        row.get_by_role("button", name=f"What if {app}").click()
    elif name == "mode":
        page.get_by_role("button", name="mode:").click()
    elif name == "pause":
        page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(900)


def photograph(page: Page, folder: Path, width: int, scheme: Any) -> dict[str, Any]:
    """Every view; at 1280 every question too. What scrolls sideways."""
    page.emulate_media(color_scheme=scheme)
    page.mouse.move(4, 4)
    page.set_viewport_size({"width": width, "height": 900 if width > 600 else 844})
    wide: list[str] = []

    def shoot(name: str, whole: bool = True) -> None:
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=whole)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)

    for view in VIEWS:
        page.evaluate("view => { location.hash = `#/${view}`; scrollTo(0, 0); }", view)
        page.wait_for_timeout(2500)
        shoot(view.replace("app/", "app-") or "overview")
    page.evaluate("location.hash = '#/timeline'")
    for period in ("1 hour", "1 week", "1 month"):
        page.get_by_role("button", name=period, exact=True).click()
        page.wait_for_timeout(1500)
        shoot(f"timeline-{period.replace(' ', '-')}")
    page.evaluate("location.hash = '#/'")
    page.wait_for_timeout(1200)
    for question in ("limit", "why", "what-if", "mode", "pause") if width > 600 else ("mode", "pause"):
        ask(page, "steam", question)
        shoot(f"question-{question}", whole=False)
        page.keyboard.press("Escape")
        page.wait_for_timeout(200)
    return {"sideways": wide}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=330, help="how long the applications run before the pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(Lab(down_mbit=20, up_mbit=5, buffer_ms=220, shared=True))
        scene = Scene(folder, lab, stack)
        url = scene.agent.address()
        begin = time.monotonic()
        for name, *words in (
            ("firefox", "video", "1200", "rate=3000000"), ("zoom", "call", "1200"),
            ("spotify", "bulk", "1200", "rate=320000"), ("discord", "web", "1200", "off=3"),
            ("onedrive", "bulk", "1200", "dir=up"),
        ):  # fmt: skip
            scene.app(name, *words)
            time.sleep(1)
        browser = stack.enter_context(chromium(namespace=lab.namespace("host"), folder=folder))
        page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1)
        complaints = watch(page)
        page.goto(url)
        time.sleep(max(0.0, begin + 45 - time.monotonic()))
        scene.app("steam", "bulk", "45", "n=6")
        time.sleep(20)
        page.screenshot(path=options.folder / "lag-1280-light.png", full_page=True)
        time.sleep(45)
        ask(page, "", "mode")
        page.get_by_role("dialog").get_by_label("enforce").check()
        page.get_by_role("dialog").get_by_role("button", name="Set").click()
        scene.app("steam", "bulk", "900", "n=4")
        row = page.locator("tr[data-app=onedrive]")
        ask(page, "onedrive", "limit")
        page.get_by_role("dialog").get_by_label("Upload, at most").fill("1500kbit")
        page.get_by_role("dialog").get_by_label("For how long").fill("2h")
        page.get_by_role("dialog").get_by_role("button", name="Set").click()
        expect(row.get_by_label("Upload limit of onedrive")).to_have_text("1.5 M")
        time.sleep(max(0.0, begin + options.seconds - time.monotonic()))
        page.locator("tr[data-app=steam]").get_by_label("Priority of steam").select_option("5")
        expect(page.locator("#toast")).to_contain_text("steam")
        page.mouse.move(4, 4)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(1500)
        page.screenshot(path=options.folder / "page.png")
        page.get_by_label("Close this message").click()
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                result[f"{width} {scheme}"] = photograph(page, options.folder, width, scheme)
        result["complaints"] = complaints
        result["status"] = json.loads(scene.agent.command("status", "--json"))["parts"]
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    assert os.geteuid() == 0, "needs root: namespaces"
    main()
