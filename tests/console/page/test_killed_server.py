"""A page server that is killed while it steers leaves nothing half-applied, and the next one goes on."""

import contextlib
import http.client
import itertools
import threading
from pathlib import Path

from console.steering import action_log, settings_file
from qos.contract.config import parse_config
from qos.store.sqlite.store import SqliteStore
from tests.console.page.rig import KILL, Api, PageProcess


def test_a_killed_server_leaves_whole_settings_whole_overrides_and_an_undo_list_that_holds(tmp_path: Path) -> None:
    config, data = tmp_path / "config.yaml", tmp_path / "data"
    texts = [f"# {'padding ' * 2000}\nforecast: {{enabled: false}}\ninterval: {number}s\n" for number in (1, 2)]
    config.write_text(texts[0])
    page = PageProcess(config, data)
    api = Api(page.port)
    api.log_in(page.code)
    done = threading.Event()

    def write() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            for turn in itertools.count(1):
                api.call("PUT", "/api/v1/config", {"text": texts[turn % 2]})
                api.call("PUT", "/api/v1/apps/steam/limit", {"down": f"{turn}mbit", "up": f"{turn}mbit"})
                if turn == 5:
                    done.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert done.wait(60)
    page.stop(KILL)
    writer.join(60)
    assert config.read_text() in texts
    parse_config(config.read_text(), "config.yaml")
    with SqliteStore(data / "autoqos.db", read_only=True) as store:
        limit = store.get_state("override:app:steam")
        assert limit is not None
        assert limit["down_bps"] == limit["up_bps"]
        kept = next(action for action in action_log.recent(store) if action.kind == "config")
        assert kept.after["sha256"] in {settings_file.digest(text) for text in texts}
    again = PageProcess(config, data, page.port)
    try:
        locked = api.call("GET", "/api/v1/apps")
        assert locked[0] == 401
        assert "autoqos page" in locked[2]["detail"]
        api.log_in(again.code)
        assert api.call("PUT", "/api/v1/apps/steam/limit", {"down": "3mbit"})[0] == 200
        newest = api.call("GET", "/api/v1/history")[2]["actions"][0]
        assert api.call("POST", f"/api/v1/history/{newest['id']}/undo", {})[0] == 200
    finally:
        again.stop()
