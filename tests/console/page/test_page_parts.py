"""Types of the page's modules, single keys of a YAML text, the metrics, one server per port, rights."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from console.page.access import address
from console.page.api.handlers.metrics import lines
from console.page.assets import load_assets
from console.page.yaml_edit import YamlEditError, set_keys
from qos.contract.documents.live import Live
from qos.contract.errors import ConfigError
from tests import require
from tests.console.page.rig import Api, PageProcess
from tests.console.samples import fill, live_document

STATIC = Path(__file__).parents[3] / "console" / "page" / "static"


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = require.program("npm")
    folder = tmp_path_factory.mktemp("typescript")
    install = [npm, "install", "--silent", "--no-fund", "--no-audit", "typescript@5.9.3"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode:
        require.missing(f"npm cannot install typescript: {done.stderr.strip()[-200:]}")
    return folder / "node_modules" / "typescript" / "bin" / "tsc"


def test_the_modules_types_hold(typescript: Path, tmp_path: Path) -> None:
    check = [require.program("node"), str(typescript), "-p", str(STATIC / "jsconfig.json")]
    done = subprocess.run(check, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    shutil.copytree(STATIC, tmp_path / "static")
    (tmp_path / "static" / "format.js").write_text("export const x = /** @type {number} */ (0);\nx.nothing();\n")
    check[-1] = str(tmp_path / "static" / "jsconfig.json")
    assert subprocess.run(check, capture_output=True, text=True, timeout=120).returncode != 0, "the check can fail"


def test_the_page_asks_no_other_host_and_has_its_charts_licence() -> None:
    assets = load_assets()
    own = [path for path in assets if not path.startswith("/vendor/")]
    for path in own:
        text = assets[path].content.decode()
        assert "https://" not in text, path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
    assert b"MIT License" in assets["/vendor/uplot.LICENSE.txt"].content
    assert sum(len(asset.content) for asset in assets.values()) < 400_000


def test_single_keys_are_changed_and_comments_stay() -> None:
    text = "# top\nmode: observe   # what\nlink:\n  down: null  # slow\nlevels:\n  0: {name: critical}\n"
    found = set_keys(
        text,
        {"mode": "enforce", "link.down": "90mbit", "link.up": "18mbit", "page.enabled": True, "levels.0.weight": 50},
    )
    assert "# top" in found
    assert "mode: enforce   # what" in found
    assert "# slow" in found
    assert "up: 18mbit" in found
    assert "enabled: true" in found
    assert "weight: 50" in found
    assert set_keys("", {"mode": "enforce"}) == "mode: enforce\n"


@pytest.mark.parametrize(("text", "key"), [("mode: [", "mode"), ("mode: observe", "mode.deeper"), ("- a\n- b", "mode")])
def test_what_cannot_be_changed_is_said(text: str, key: str) -> None:
    with pytest.raises(YamlEditError):
        set_keys(text, {key: "x"})


def test_metrics_are_in_base_units_bounded_and_escaped() -> None:
    live = Live.parse(live_document(0, apps=[live_document(0)["apps"][0] | {"app": 'a"\\\n'}]))
    text = "\n".join(lines(live, 1))
    assert r'autoqos_app_receive_bytes_total{app="a\"\\\n"} 240000' in text
    assert 'autoqos_probe_rtt_seconds{target="8.8.8.8"} 0.01234' in text
    assert "# TYPE autoqos_app_receive_bytes_total counter" in text
    assert "autoqos_up 1" in text
    assert "host=" not in text
    assert "autoqos_up 0" in "\n".join(lines(None, 1))


def test_metrics_have_a_token_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("page: {metrics: true}\ncollector: {capture: psutil, targets: []}\n")
    (tmp_path / ".env").write_text("AUTOQOS_METRICS_TOKEN=scrape-me\n")
    page = PageProcess(tmp_path / "config.yaml", tmp_path / "data")
    try:
        api = Api(page.port)
        assert api.call("GET", "/metrics")[0] == 401
        assert api.call("GET", "/metrics", headers={"Authorization": "Bearer wrong"})[0] == 401
        status, headers, text = api.call("GET", "/metrics", headers={"Authorization": "Bearer scrape-me"})
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        assert "autoqos_build_info" in text
        assert api.call("GET", "/api/v1/apps", headers={"Authorization": "Bearer scrape-me"})[0] == 401
        assert "scrape-me" not in str(api.call("GET", "/openapi.json"))
    finally:
        page.stop()


def test_a_taken_port_is_left_to_its_owner_and_the_next_one_used() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with address.listen(port) as sock:
            assert sock.getsockname()[0] == "127.0.0.1"
            assert port < sock.getsockname()[1] <= port + 20
    with pytest.raises(ConfigError, match="choose another with --port"):
        address.listen(65536)


def test_it_listens_on_this_computer_only(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("collector: {capture: psutil, targets: []}\n")
    page = PageProcess(tmp_path / "config.yaml", tmp_path / "data")
    try:
        table = psutil.net_connections("inet")
        bound = [one.laddr for one in table if one.laddr and one.status == psutil.CONN_LISTEN]
        assert {end.ip for end in bound if end.port == page.port} == {"127.0.0.1"}
    finally:
        assert page.stop() == (1 if sys.platform == "win32" else 0)  # Windows has no SIGTERM: it is ended from outside


def test_who_may_only_read_sees_everything_and_steers_nothing(tmp_path: Path) -> None:
    require.linux_root()
    setpriv = require.program("setpriv")
    data = fill(tmp_path / "data", time.time_ns(), 20)
    (tmp_path / "config.yaml").write_text("collector: {capture: psutil, targets: []}\n")
    for path, mode in ((data, 0o755), *((file, 0o644) for file in data.iterdir())):
        os.chown(path, 65534, 65534)
        path.chmod(mode)
    # Without capabilities root is anybody: it may read what others may read, and no more.
    powerless = [setpriv, "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-P", "-m", "console"]
    page = PageProcess(tmp_path / "config.yaml", data, command=powerless)
    try:
        api = Api(page.port)
        api.log_in(page.code)
        assert "steam" in str(api.call("GET", "/api/v1/usage?since=1h")[2])
        status, _, answer = api.call("PUT", "/api/v1/apps/steam/priority", {"level": 5})
        assert status == 403
        assert "with the rights of the agent" in answer["detail"]
    finally:
        page.stop()


def test_a_connection_that_asks_nothing_is_closed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("collector: {capture: psutil, targets: []}\n")
    page = PageProcess(tmp_path / "config.yaml", tmp_path / "data")
    try:
        with socket.create_connection(("127.0.0.1", page.port), timeout=25) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nHost:")
            assert silent.recv(100) == b"", "closed without an answer"
            assert silent.recv(100) == b"", "closed without an answer"
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
            connection.close()
    finally:
        page.stop()
