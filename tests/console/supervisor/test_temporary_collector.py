"""A collector for as long as somebody looks: a real one, with the light capture and no targets."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from console.commands.context import Context, open_context
from console.supervisor.temporary_collector import temporary_collector
from console.tui.feed import LiveFeed
from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import instance_lock
from tests.console.samples import S, fill, live_document

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("collector: {capture: psutil, targets: []}\n")
    return path


@pytest.fixture
def context(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.chdir(ROOT)
    return open_context(settings, tmp_path / "data")


def test_top_once_without_a_collector_measures_and_leaves_none_behind(settings: Path, tmp_path: Path) -> None:
    old = fill(tmp_path / "data", time.time_ns(), 2, live_document(time.time_ns() - 60 * S))
    result = subprocess.run(
        [sys.executable, "-m", "console", "top", "--json", "--config", str(settings), "--data", str(old)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "no collector is running" in result.stderr
    assert json.loads(result.stdout)["backend"] == "psutil"
    left = [p for p in psutil.process_iter(["cmdline"]) if str(old) in (p.info["cmdline"] or [])]
    assert left == []


def test_a_collector_that_cannot_start_gives_its_own_reason(context: Context) -> None:
    context.data.mkdir()
    with (
        instance_lock(context.data, "collector"),
        temporary_collector(context) as collector,
        pytest.raises(ConfigError, match=f"PID {os.getpid()}"),
    ):
        collector.wait_for(2 * S, 60)


def test_the_window_tells_when_its_collector_ended(context: Context) -> None:
    context.data.mkdir()
    with instance_lock(context.data, "collector"), temporary_collector(context) as collector:
        feed = LiveFeed(context, collector)
        deadline = time.monotonic() + 60
        while "already works on" not in feed.read(time.time_ns()).trouble:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert feed.temporary


def test_the_window_says_what_it_waits_for(tmp_path: Path) -> None:
    feed = LiveFeed(Context(Config(), None, tmp_path), None)
    assert "waiting" in feed.read(time.time_ns()).trouble
    (tmp_path / "autoqos.db").write_bytes(b"no database at all" * 100)
    assert "damaged" in feed.read(time.time_ns()).trouble
