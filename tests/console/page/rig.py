"""A real agent with a page in a lab of namespaces, and a real Chromium beside it."""

import contextlib
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests import require
from tests.console.page.described import Described
from tests.lab import Lab
from tests.windows.wine_lacks import under_wine

ROOT = Path(__file__).parents[3]
CONFIG = """\
# settings of the test: this comment must survive
collector: {capture: auto, targets: [10.77.1.1]}
mode: enforce   # what the enforcer does
link: {down: 20mbit, up: 20mbit}
forecast: {enabled: false}
"""

KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
"""Ended without a word; on Windows every signal ends a program so."""


def wait_for(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What ``holds`` gives, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return found


class Api:
    """The HTTP API of one server."""

    def __init__(self, port: int, token: str | None = None, described: Described | None = None) -> None:
        self.port, self.token, self.described = port, token, described

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers (lower case) and the body, parsed when it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            data = body if isinstance(body, str | bytes) else json.dumps(body)
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = json.loads(raw) if "json" in found.get("content-type", "") else raw.decode()
        if self.described is not None:
            self.described.hold(method, path, response.status, found, answer)
        return response.status, found, answer

    def log_in(self, code: str) -> None:
        """Buy a token."""
        status, _, answer = self.call("POST", "/api/v1/session", {"code": code})
        assert status == 201, answer
        self.token = answer["token"]


ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/#code=(\S+)")


class PageProcess:
    """``autoqos page --no-browser`` over a data folder."""

    def __init__(
        self, config: Path, data: Path, port: int = 8800, command: list[str] | None = None, code: Path = ROOT
    ) -> None:
        self._arguments = ["page", "--no-browser", "--config", str(config), "--data", str(data), "--port", str(port)]
        self._command = command or [sys.executable, "-P", "-m", "console"]
        if under_wine():  # there a new folder belongs to a made-up user, and an elevated server refuses it
            data.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*self._command, *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=config.parent,
            env={**os.environ, "PYTHONPATH": str(code)},
        )
        self.port, self.code = self._address(self.process.stdout)

    def _address(self, stream: IO[str] | None) -> tuple[int, str]:
        assert stream is not None
        for line in stream:
            if found := ADDRESS.search(line):
                return int(found[1]), found[2]
        assert self.process.stderr is not None
        raise AssertionError(f"no address: {self.process.stderr.read()}")

    def another_code(self) -> str:
        """What ``autoqos page`` gives while this one runs."""
        done = subprocess.run([*self._command, *self._arguments], capture_output=True, text=True, timeout=60)
        found = ADDRESS.search(done.stdout)
        assert found is not None, done.stdout + done.stderr
        assert int(found[1]) == self.port
        return found[2]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode


@contextlib.contextmanager
def chromium(*arguments: str, namespace: str | None = None, folder: Path | None = None) -> Iterator[Browser]:
    """Debian's Chromium, in a network namespace on request."""
    path = require.program("chromium", "chromium-browser", "google-chrome")
    if namespace is not None:
        assert folder is not None
        wrapper = folder / "chromium-inside"
        wrapper.write_text(f'#!/bin/sh\nexec nsenter --net=/run/netns/{namespace} {path} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        path = str(wrapper)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *arguments]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            browser.close()


def watch(page: Page) -> list[str]:
    """What the page complains about from now on: console errors, exceptions, refused requests to anywhere else."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "blob:", "data:"))
            else found.append(f"asked {request.url}")
        ),
    )
    return found


class Agent:
    """``autoqos up --page`` in a lab with an iperf3 server at the other end."""

    def __init__(self, folder: Path, lab: Lab, settings: str = CONFIG) -> None:
        self.lab, self.folder = lab, folder
        self.config, self.data = folder / "config.yaml", folder / "data"
        self.config.write_text(settings)
        self._log = (folder / "up.log").open("w")
        lab.start("peer", require.program("iperf3"), "-s", "-D", "--forceflush")
        lab.start(
            "host", sys.executable, "-P", "-m", "console", "up", "--page", "--config", str(self.config), "--data",
            str(self.data), stdout=self._log, stderr=self._log, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self._log.close()  # the child has its own

    def command(self, *arguments: str) -> str:
        """One ``autoqos`` command in the lab's host; its output."""
        where = ["--config", str(self.config), "--data", str(self.data)]
        line = [sys.executable, "-P", "-m", "console", *arguments, *where]
        return self.lab.run("host", *line, env={**os.environ, "PYTHONPATH": str(ROOT)}).stdout

    def address(self) -> str:
        """A one-time address, once the page runs."""

        def ask() -> str | None:
            log = (self.folder / "up.log").read_text()
            if "page:" not in log:
                return None
            found = ADDRESS.search(self.command("page", "--no-browser"))
            return found[0] if found else None

        return str(wait_for(ask, f"the page runs: {(self.folder / 'up.log').read_text()}"))

    def download(self, seconds: float, port: int = 5201) -> "subprocess.Popen[str]":
        """iperf3 receives for so long; its JSON on standard output."""
        return self.lab.start(
            "host", require.program("iperf3"), "-c", "10.77.1.1", "-p", str(port), "-R", "-J", "-t", str(seconds),
            stdout=subprocess.PIPE,
        )  # fmt: skip
