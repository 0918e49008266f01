"""The frame that every open page sees once a second."""

import time
from pathlib import Path
from typing import Any

import pytest

from console.commands.context import Context
from console.page.live.live_frame import FrameReader
from console.page.service import PageService
from console.steering import overrides
from qos.contract.config import Config
from tests.console.page.conftest import incident
from tests.console.samples import S, fill, live_document


def frame(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    now_ns = time.time_ns()
    fill(tmp_path, now_ns, 5, live_document(now_ns, **changes))
    service = PageService(Context(Config(), None, tmp_path), 8737)
    try:
        service.store.write([incident(now_ns)])
        overrides.set_limit(service.store, "steam", down_bps=10**6, up_bps=None, until_ns=now_ns + S, now_ns=now_ns)
        reader = FrameReader(service)
        return reader.read(now_ns, reader.newest())
    finally:
        service.close()


def test_it_holds_the_present_without_what_is_absent(tmp_path: Path) -> None:
    found = frame(tmp_path)
    steam = next(app for app in found["apps"] if app["app"] == "steam")
    assert steam["rx_bps"] == 72_000
    assert steam["hand"]["down_bps"] == 10**6
    assert "up_bps" not in steam["hand"]
    assert found["coverage"] == 0.98
    assert found["probes"][1] == {"target": "1.1.1.1", "ok": False, "loss_ratio": 1.0, "reason": "timeout"}
    assert None not in found.values()


def test_the_last_incident_is_shown_and_the_running_one_first(tmp_path: Path) -> None:
    assert frame(tmp_path / "a")["lag"]["running"] is False
    onset_ns = time.time_ns() - 7 * S
    lag = {"onset_ns": onset_ns, "cause": "application", "app": "firefox", "direction": "up", "extra_ms": 40.0}
    found = frame(tmp_path / "b", lag=lag)["lag"]
    assert (found["app"], found["running"]) == ("firefox", True)
    assert found["duration_s"] == pytest.approx(7, abs=3)


def test_an_old_document_is_not_the_present(tmp_path: Path) -> None:
    found = frame(tmp_path, time_ns=time.time_ns() - 60 * S)
    assert found["live"] is False
    assert "host" not in found
    assert all("rx_bps" not in app for app in found["apps"])


def test_the_collectors_document_is_parsed_once_a_tick_whoever_writes_meanwhile(tmp_path: Path) -> None:
    """Four parts write the store each second; each of their writes made the page parse fifty applications anew."""
    now_ns = time.time_ns()
    fill(tmp_path, now_ns, 5, live_document(now_ns))
    service = PageService(Context(Config(), None, tmp_path), 8737)
    try:
        reader = FrameReader(service)
        first = reader.newest()
        assert first is not None
        service.store.set_state("part:enforcer", {"v": 1})
        assert reader.newest() is first
        service.store.set_state("live", live_document(now_ns + S))
        second = reader.newest()
        assert second is not None
        assert second.time_ns == first.time_ns + S
        service.store.set_state("live", {"v": 1})  # no tick in it
        assert reader.newest() is None
    finally:
        service.close()
