"""What `autoqos stack` asks of an InfluxDB 2.x over HTTP: its health, buckets and accounts. No database library.

Accounts are 1.x-compatible ones (name and password of our choosing, docs/decisions/0032), for which the API has
``/private/legacy/authorizations``; `influx v1 auth` uses the same. Tried against 2.9.1.
"""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qos.contract.errors import ConfigError

_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP answer; ``status`` 0 is no answer at all, then ``text`` says why."""

    status: int
    text: str


def ask(
    url: str, *, token: str = "", body: bytes | None = None, method: str | None = None, ca: Path | None = None
) -> HttpReply:
    """One request. ``token`` is a token or ``name:password``. Never raises for what a server may do."""
    if not url.startswith(("http://", "https://")):
        return HttpReply(0, f"{url!r} is not an address such as http://127.0.0.1:8086")
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - checked above
    if ":" in token:
        request.add_header("Authorization", "Basic " + base64.b64encode(token.encode()).decode("ascii"))
    elif token:
        request.add_header("Authorization", f"Token {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json" if body[:1] == b"{" else "text/plain")
    try:
        context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310 - idem
            return HttpReply(answer.status, answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return HttpReply(error.code, error.read().decode(errors="replace"))
    except (OSError, ValueError) as error:
        return HttpReply(0, str(getattr(error, "reason", error)))


class InfluxAdmin:
    """With the operator's token. Raises ConfigError for whatever does not work, with what to do."""

    def __init__(self, url: str, token: str, *, org: str = "autoqos", ca: Path | None = None) -> None:
        self._url, self._token, self._org, self._ca = url.rstrip("/"), token, org, ca

    def buckets(self) -> dict[str, str]:
        """Every bucket's id by name."""
        query = urllib.parse.urlencode({"org": self._org, "limit": 100})
        return {one["name"]: one["id"] for one in self._json("GET", f"/api/v2/buckets?{query}")["buckets"]}

    def accounts(self) -> dict[str, str]:
        """Every account's id by name."""
        found = self._json("GET", "/private/legacy/authorizations").get("authorizations") or []
        return {one["token"]: one["id"] for one in found}

    def make_account(self, name: str, password: str, *, writes: Iterable[str]) -> None:
        """A new account that may write these buckets and nothing else."""
        if name in self.accounts():
            raise ConfigError(f"{name}: there is an account of that name: `autoqos stack remove-host` it first")
        ids = self.buckets()
        missing = [bucket for bucket in writes if bucket not in ids]
        if missing:
            raise ConfigError(f"InfluxDB has no bucket {', '.join(missing)}: run `docker compose up influx-init`")
        org = self._json("GET", "/api/v2/orgs?" + urllib.parse.urlencode({"org": self._org}))["orgs"][0]["id"]
        permissions = [
            {"action": "write", "resource": {"type": "buckets", "id": ids[bucket], "orgID": org}} for bucket in writes
        ]
        document = {"orgID": org, "token": name, "description": "made by autoqos", "permissions": permissions}
        made = self._json("POST", "/private/legacy/authorizations", document)
        self._json("POST", f"/private/legacy/authorizations/{made['id']}/password", {"password": password})

    def remove_account(self, name: str) -> None:
        """Its password is refused from now on."""
        number = self.accounts().get(name)
        if number is None:
            raise ConfigError(f"{name}: InfluxDB has no account of that name")
        self._json("DELETE", f"/private/legacy/authorizations/{number}")

    def _json(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        answer = ask(self._url + path, token=self._token, body=body, method=method, ca=self._ca)
        if answer.status == 0:
            raise ConfigError(
                f"InfluxDB at {self._url} does not answer ({answer.text}): start it, or name it with --url"
            )
        if answer.status == 401:
            raise ConfigError(f"InfluxDB at {self._url} does not know INFLUX_ADMIN_TOKEN of .env (docs/influxdb.md)")
        if answer.status >= 300:
            raise ConfigError(f"InfluxDB at {self._url} answers {answer.status}: {answer.text.strip()[:200]}")
        return json.loads(answer.text) if answer.text.strip() else {}
