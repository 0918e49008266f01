"""The page against a real agent: a limit set in the browser holds on the wire, its undo frees it, the sums are true."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests import require
from tests.console.page.rig import Agent, chromium, watch
from tests.lab import Lab

pytestmark = pytest.mark.packets


def goodput_bps(agent: Agent, seconds: float) -> float:
    """What iperf3 receives, without its first second."""
    output, _ = agent.download(seconds).communicate(timeout=60)
    intervals = [float(entry["sum"]["bits_per_second"]) for entry in json.loads(output)["intervals"]]
    return sum(intervals[1:]) / len(intervals[1:])


@pytest.mark.timeout(240)
def test_a_limit_set_in_the_page_holds_on_the_wire_and_its_undo_frees_it(tmp_path: Path) -> None:
    require.linux_root()
    require.program("iperf3")
    with Lab(down_mbit=20, up_mbit=20) as lab:
        agent = Agent(tmp_path, lab)
        url = agent.address()
        with chromium(namespace=lab.namespace("host"), folder=tmp_path) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            complaints = watch(page)
            page.goto(url)
            assert goodput_bps(agent, 5) > 15e6
            row = page.locator("tr[data-app=iperf3]")
            expect(row).to_be_visible(timeout=20_000)
            row.get_by_label("Download limit of iperf3").click()
            page.get_by_role("dialog").get_by_label("Download, at most").fill("4mbit")
            page.get_by_role("dialog").get_by_role("button", name="Set").click()
            expect(page.locator("#toast")).to_contain_text("iperf3: at most down 4.0 Mbit/s")
            limited = goodput_bps(agent, 8)
            assert 3.2e6 < limited < 4.4e6, f"{limited / 1e6:.2f} Mbit/s under a limit of 4"
            expect(row.get_by_label("Download limit of iperf3")).to_have_text("4.0 M")
            page.evaluate("location.hash = '#/health'")
            page.get_by_role("button", name="Undo: iperf3").first.click()
            expect(page.locator("#toast")).to_contain_text("undone")
            freed = goodput_bps(agent, 6)
            assert freed > 15e6, f"{freed / 1e6:.2f} Mbit/s after the undo"
            page.evaluate("location.hash = '#/'")
            expect(row).to_be_visible()
            page.wait_for_timeout(2500)
            check_sums(page, agent)
            assert complaints == []
        report(agent)


def check_sums(page: Page, agent: Agent) -> None:
    """The live chart's table against ``autoqos usage`` over the same minutes."""
    shown = page.evaluate(
        """async () => {
          const { LiveModel } = await import("/model.js");
          const model = new LiveModel();
          const headers = {Authorization: `Bearer ${sessionStorage.getItem("autoqos-token")}`};
          const answer = await fetch("/api/v1/events", {headers});
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          let text = "";
          for (let count = 0; count < 60; count += 1) {
            const {value} = await reader.read();
            text += value;
            if ((text.match(/event: live/g) ?? []).length >= 8 && text.endsWith("\\n\\n")) break;
          }
          await reader.cancel();
          for (const part of text.split("\\n\\n")) {
            const data = /data: (.*)/.exec(part);
            if (!data) continue;
            if (part.includes("event: history")) model.load(JSON.parse(data[1]));
            if (part.includes("event: live")) model.push(JSON.parse(data[1]));
          }
          const times = model.seconds.filter((second) => second.ran).map((second) => second.t);
          const sums = Object.fromEntries(model.moved(times[0], times[times.length - 2]));
          return {from: times[0], to: times[times.length - 2] + 1, sums};
        }"""
    )
    stored = json.loads(agent.command("usage", "--json", "--since", _utc(shown["from"]), "--until", _utc(shown["to"])))
    by_name = {row["app"]: row["rx_bytes"] for row in stored["apps"]}
    assert by_name["iperf3"] > 10_000_000
    assert shown["sums"]["iperf3"][0] == pytest.approx(by_name["iperf3"], rel=0.01)


def _utc(seconds: float) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def report(agent: Agent) -> None:
    """`autoqos status` names the page with its address."""
    status = json.loads(agent.command("status", "--json"))
    page = next(part for part in status["parts"] if part["part"] == "page")
    assert page["running"]
    assert page["detail"].startswith("http://127.0.0.1:")
    assert psutil.Process(page["pid"]).uids().real == os.getuid()


def test_up_without_page_runs_none(tmp_path: Path) -> None:
    from console.supervisor.parts import wanted
    from qos.contract.config import Config

    assert "page" not in wanted(Config())
    assert "page" in wanted(Config(), page=True)
    done = subprocess.run([sys.executable, "-m", "console", "up", "--help"], capture_output=True, text=True, check=True)
    assert "--page" in done.stdout
