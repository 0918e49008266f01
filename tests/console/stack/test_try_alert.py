"""The test alert against a scripted Grafana: the answers that a real 9.4 gave, and those of 13 as its source has them.

13 answers 410 to the old way (grafana#121692) and tests one integration of a receiver at a time (grafana#111338).
"""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.try_alert import send_test_alert
from qos.contract.errors import ConfigError

POINTS = [{"uid": "autoqos-webhook", "name": "webhook", "type": "webhook", "settings": {"url": "http://127.0.0.1:9/"}}]


APIS = "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers"
INTEGRATION = {
    "uid": "autoqos-webhook",
    "type": "webhook",
    "version": "v1",
    "disableResolveMessage": False,
    "settings": {"url": "http://127.0.0.1:9/"},
    "secureFields": {},
}
RECEIVERS = {
    "items": [{"metadata": {"name": "d2ViaG9vaw"}, "spec": {"title": "webhook", "integrations": [INTEGRATION]}}]
}


class Grafana(http.server.BaseHTTPRequestHandler):
    status = "ok"
    newer = False
    sent: dict[str, object] = {}  # noqa: RUF012 - one server, one test

    def do_GET(self) -> None:
        if self.path == APIS:
            self._answer(200 if self.newer else 404, RECEIVERS if self.newer else {"message": "Not found"})
            return
        self._answer(200, POINTS)

    def do_POST(self) -> None:
        Grafana.sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.newer:
            self._answer(*self._tested())
            return
        config = {"name": "webhook", "uid": "autoqos-webhook", "status": self.status, "error": "connection refused"}
        receivers = [{"name": "webhook", "grafana_managed_receiver_configs": [config]}]
        self._answer(200 if self.status == "ok" else 400, {"alert": {}, "receivers": receivers})

    def _tested(self) -> tuple[int, object]:
        if self.path != APIS + "/d2ViaG9vaw/test":
            return 410, {"message": "This endpoint has been removed."}
        good = self.status == "ok"
        answer = {
            "kind": "CreateReceiverIntegrationTest",
            "status": "success" if good else "failure",
            "duration": "3ms",
        }
        return 200, answer if good else answer | {"error": "connection refused"}

    def _answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Grafana)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Grafana.status, Grafana.newer = "ok", False
    text = f"GRAFANA_ADMIN_PASSWORD=x\nGRAFANA_PORT={server.server_port}\nALERT_RECEIVER=webhook\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    yield tmp_path
    server.shutdown()
    server.server_close()


def test_it_is_sent_through_the_receiver_of_env(folder: Path) -> None:
    assert send_test_alert(folder)[0].startswith("Sent through webhook")
    receivers = Grafana.sent["receivers"]
    assert isinstance(receivers, list)
    assert receivers[0]["grafana_managed_receiver_configs"][0]["uid"] == "autoqos-webhook"


def test_grafana_13_tests_the_integrations_of_the_receiver(folder: Path) -> None:
    Grafana.newer = True
    assert send_test_alert(folder)[0].startswith("Sent through webhook")
    assert Grafana.sent["integration"] == INTEGRATION
    alert = Grafana.sent["alert"]
    assert isinstance(alert, dict)
    assert alert["labels"]["alertname"].startswith("Test of AutoQoS")


@pytest.mark.parametrize("newer", [False, True], ids=["before 13", "13"])
def test_what_was_not_delivered_says_why(folder: Path, newer: bool) -> None:
    Grafana.newer = newer
    Grafana.status = "failed"
    with pytest.raises(ConfigError, match="webhook: not delivered: connection refused"):
        send_test_alert(folder)


@pytest.mark.parametrize("newer", [False, True], ids=["before 13", "13"])
def test_an_unknown_receiver_is_named(folder: Path, newer: bool) -> None:
    Grafana.newer = newer
    env = folder / ".env"
    env.write_text(env.read_text(encoding="utf-8").replace("RECEIVER=webhook", "RECEIVER=pigeon"), encoding="utf-8")
    with pytest.raises(ConfigError, match="no contact point 'pigeon'"):
        send_test_alert(folder)


def test_without_env_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="autoqos stack init"):
        send_test_alert(tmp_path)


def test_a_grafana_that_is_away_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GRAFANA_ADMIN_PASSWORD=x\nGRAFANA_PORT=9\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="does not answer"):
        send_test_alert(tmp_path)
