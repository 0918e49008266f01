"""The InfluxDB that is killed, stopped, filled and replaced."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers import free_port, influxd_v1_settings

TOKEN = "soaktokensoaktokensoaktoken"


class InfluxServer:
    """An InfluxDB with its data in a folder on a small tmpfs."""

    def __init__(self, program: str | None, disk: Path) -> None:
        self.program, self.disk = program, disk
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.number = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.disk / f"server{self.number}"

    def start(self) -> None:
        folder = self.folder
        folder.mkdir(exist_ok=True)
        if self.program is None:
            command = ["/usr/bin/influxd", "-config", ""]
            environment = influxd_v1_settings(folder, self.port)
        else:
            command = [self.program, "--reporting-disabled", "--http-bind-address", f"127.0.0.1:{self.port}"]
            for option, name in (("bolt", "influxd.bolt"), ("sqlite", "influxd.sqlite"), ("engine", "engine")):
                command += [f"--{option}-path", str(folder / name)]
            environment = {}
        with Path(os.devnull).open("wb") as nowhere:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=nowhere, stderr=nowhere, cwd=folder
            )

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Token {TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.call("/ping")
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError("the server does not come back")

    def set_up(self) -> None:
        """Organisation, token and buckets, where they are not there yet."""
        self.wait()
        if self.program is None:
            for statement in ("DATABASE autoqos", 'RETENTION POLICY "5m" ON autoqos DURATION INF REPLICATION 1',
                              'RETENTION POLICY "1h" ON autoqos DURATION INF REPLICATION 1'):  # fmt: skip
                self.call(f"/query?q=CREATE+{statement.replace(' ', '+').replace(chr(34), '%22')}", {})
            return
        if self.call("/api/v2/setup")["allowed"]:
            setup = {
                "username": "admin",
                "password": "soakpassword",
                "org": "soak",
                "bucket": "autoqos",
                "token": TOKEN,
            }
            self.call("/api/v2/setup", setup)
        org = self.call("/api/v2/orgs?org=soak")["orgs"][0]["id"]
        there = {bucket["name"] for bucket in self.call("/api/v2/buckets?limit=100")["buckets"]}
        for name in {"autoqos/5m", "autoqos/1h"} - there:
            self.call("/api/v2/buckets", {"orgID": org, "name": name, "retentionRules": []})

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
