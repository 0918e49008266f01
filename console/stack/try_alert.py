"""``autoqos stack test-alert``: one test message through the contact point that ``.env`` names."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from qos.contract.errors import ConfigError

_SECONDS: Final = 30
_RECEIVERS: Final = "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers"
"""Grafana 13 and newer (grafana#111338, #121692): the way that older ones have answers 410 there."""
_ALERT: Final = {
    "labels": {"alertname": "Test of AutoQoS' alerts", "severity": "info", "team": "autoqos"},
    "annotations": {"summary": "This is a test: alerts arrive here.", "description": "Nothing."},
}


def send_test_alert(directory: Path) -> list[str]:
    """Ask Grafana to send a test message; returns what to tell. Raises ConfigError for what the person must mend."""
    env = {name: value or "" for name, value in dotenv_values(directory / ".env").items()}
    password = env.get("GRAFANA_ADMIN_PASSWORD", "")
    if not password:
        raise ConfigError(f"{directory / '.env'}: no GRAFANA_ADMIN_PASSWORD: run autoqos stack init")
    base, receiver = f"http://127.0.0.1:{env.get('GRAFANA_PORT') or 3000}", env.get("ALERT_RECEIVER") or "webhook"
    problems = _tested(base, password, receiver)
    if problems:
        raise ConfigError(f"{receiver}: not delivered: {'; '.join(problems)}: check its address in .env")
    return [f"Sent through {receiver}: look there for “Test of AutoQoS' alerts”."]


def _tested(base: str, password: str, receiver: str) -> list[str]:
    """What went wrong with each integration of the receiver; none when all took the message."""
    listed = _call(base, password, _RECEIVERS, missing={})
    if not listed:
        return _tested_before_13(base, password, receiver)
    chosen = [item for item in listed["items"] if item["spec"]["title"] == receiver]
    if not chosen:
        raise _unknown(receiver)
    address = f"{_RECEIVERS}/{chosen[0]['metadata']['name']}/test"
    # The integration goes back as it was listed: what is secret in it is named there and stays with Grafana.
    answers = [
        _call(base, password, address, {"integration": integration, "alert": _ALERT})
        for integration in chosen[0]["spec"]["integrations"]
    ]
    return [f"{answer.get('error') or answer}" for answer in answers if answer.get("status") != "success"]


def _tested_before_13(base: str, password: str, receiver: str) -> list[str]:
    points = _call(base, password, "/api/v1/provisioning/contact-points")
    chosen = [point for point in points if point["name"] == receiver]
    if not chosen:
        raise _unknown(receiver)
    keys = ("uid", "name", "type", "settings", "disableResolveMessage")
    configs = [{key: point[key] for key in keys if key in point} for point in chosen]
    body = {"receivers": [{"name": receiver, "grafana_managed_receiver_configs": configs}], "alert": _ALERT}
    answer = _call(base, password, "/api/alertmanager/grafana/config/api/v1/receivers/test", body)
    return [
        f"{config.get('error') or config.get('status')}"
        for tested in answer.get("receivers", [])
        for config in tested.get("grafana_managed_receiver_configs", [])
        if config.get("status") != "ok"
    ]


def _unknown(receiver: str) -> ConfigError:
    return ConfigError(f"ALERT_RECEIVER: Grafana has no contact point {receiver!r}: see .env")


def _call(base: str, password: str, path: str, body: dict[str, Any] | None = None, *, missing: Any = None) -> Any:
    """One request; the JSON of the answer, or ``missing``, when it is given, where this Grafana has no such path."""
    request = urllib.request.Request(base + path, data=json.dumps(body).encode() if body else None)  # noqa: S310 - loopback
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        if error.code == 404 and missing is not None:
            return missing
        if error.code in (401, 403):
            raise ConfigError(f"{base}: Grafana refuses GRAFANA_ADMIN_PASSWORD: is .env newer than its data?") from None
        if error.code in (400, 408, 409) and b"receivers" in text:
            return json.loads(text)
        raise ConfigError(
            f"{base}: Grafana answers {error.code} to {path}: {text.decode(errors='replace')[:99]}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{base}: Grafana does not answer ({error}): docker compose ps grafana") from None
