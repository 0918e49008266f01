"""The wheel carries the page: every file as in the checkout; its server runs alone, and `uv tool install` works."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import require
from tests.console.page.rig import ROOT, Api, PageProcess, chromium, watch
from tests.console.samples import S, fill, live_document

STATIC = ROOT / "console" / "page" / "static"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `uv build` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    line = [require.program("uv"), "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(line, check=True, capture_output=True, timeout=240)
    (wheel,) = folder.glob("autoqos-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The wheel's content, unpacked as an installer does."""
    folder = wheel.parent
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_page_is_in_the_wheel(installed: Path) -> None:
    wanted = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()}
    assert len(wanted) > 20
    assert {name: (installed / name).read_bytes() for name in wanted if (installed / name).is_file()} == wanted
    assert not (installed / "tests").exists()


def test_the_page_runs_from_the_wheel_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("forecast: {enabled: false}\n")
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import console.page; print(console.page.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)},
    ).stdout  # fmt: skip
    assert Path(where.strip()).is_relative_to(installed)
    page = PageProcess(config, tmp_path / "data", code=installed)
    try:
        api = Api(page.port)
        for path in STATIC.rglob("*.js"):
            status, headers, text = api.call("GET", f"/{path.relative_to(STATIC).as_posix()}")
            assert status == 200
            assert headers["content-type"].startswith("text/javascript")
            assert text == path.read_text(encoding="utf-8")
        api.log_in(page.code)
        assert api.call("GET", "/api/v1/status")[0] == 200
    finally:
        page.stop()


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_the_installed_tool_shows_the_page_in_a_browser(wheel: Path, tmp_path: Path) -> None:
    """`uv tool install` with the locked versions into a folder of its own; `autoqos page` knows no checkout."""
    uv = require.program("uv")
    tools, programs = tmp_path / "tools", tmp_path / "bin"
    environment = {**os.environ, "UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(programs)}
    environment.pop("PYTHONPATH", None)
    line = [uv, "tool", "install", "--quiet", "--python", sys.executable, str(wheel)]
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    if done.returncode and "ailed to fetch" in done.stderr:
        require.missing(f"the package index cannot be reached: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    config = tmp_path / "config.yaml"
    config.write_text("forecast: {enabled: false}\n")
    now_ns = time.time_ns()
    fill(tmp_path / "data", now_ns, live=live_document(now_ns, interval_ns=3600 * S))
    page_process = PageProcess(config, tmp_path / "data", command=[str(programs / "autoqos")], code=tmp_path)
    try:
        with chromium() as browser:
            page = browser.new_page()
            complaints = watch(page)
            page.goto(f"http://127.0.0.1:{page_process.port}/#code={page_process.code}")
            expect(page.locator("tr[data-app=steam]")).to_be_visible(timeout=20_000)
            for view, words in {"timeline": "Limits and events", "usage": "steam", "settings": "In force"}.items():
                page.evaluate("view => { location.hash = `#/${view}`; }", view)
                expect(page.locator("#main")).to_contain_text(words, timeout=20_000)
            assert complaints == []
        modules = Path(f"/proc/{page_process.process.pid}/cmdline").read_text() if sys.platform == "linux" else ""
        assert str(ROOT) not in modules
    finally:
        page_process.stop()
