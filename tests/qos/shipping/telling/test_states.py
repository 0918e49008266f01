"""Every state of shipping at a real InfluxDB 2.x: a sentence in `status`, two events, two log lines, no row lost."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qos.contract.points import Probe
from qos.store.sqlite.store import SqliteStore
from tests import require
from tests.influxd import ORG, TOKEN, command, influxd_v2, make_bucket, needs_influxd, set_up
from tests.servers import Server, call, free_port

ROOT = Path(__file__).parents[4]
PATIENCE_S = 180

pytestmark = [needs_influxd, pytest.mark.server]


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.3)


@dataclass
class Agent:
    """A shipper process as `up` runs it, its store and what it says."""

    folder: Path
    server: Server
    written: list[int] = field(default_factory=list)

    def settings(self, bucket: str = "autoqos", token: str = TOKEN) -> None:
        (self.folder / ".env").write_text(f"INFLUX_TOKEN={token}\n" if token else "")
        (self.folder / "config.yaml").write_text(
            f"host: h\ninfluxdb: {{url: '{self.server.url}', org: {ORG}, bucket: {bucket}, timeout: 5s}}\n"
        )

    @property
    def paths(self) -> tuple[str, ...]:
        return ("--config", str(self.folder / "config.yaml"), "--data", str(self.folder / "data"))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INFLUX_")}
        return {**kept, "PYTHONPATH": str(ROOT), "AUTOQOS_SUPERVISED": "1"}

    def autoqos(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "console", *words, *self.paths], env=self.environment, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def shipping(self) -> Iterator[None]:
        words = [sys.executable, "-m", "console", "shipper", *self.paths]
        with (
            (self.folder / "log").open("ab") as log,
            # A part ends when its standard input does.
            subprocess.Popen(words, env=self.environment, stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)

    def write(self, target: str = "t") -> None:
        now = time.time_ns()
        with SqliteStore(self.folder / "data" / "autoqos.db") as store:
            store.write(
                [Probe(time_ns=now, host="h", target=target, ok=1, rtt_ms=1.0, loss_ratio=0.0, sent=1, received=1)]
            )
        self.written.append(now)

    def events(self, kind: str) -> list[str]:
        with SqliteStore(self.folder / "data" / "autoqos.db") as store:
            found: list[str] = store.read("event", where={"part": "shipper", "kind": f"shipping_{kind}"})["subject"]
        return found

    def told(self) -> list[str]:
        """The log's lines about states."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line for line in lines if re.search(r"WARNING|ERROR|takes points|is shipped again", line)]

    def arrived(self) -> int:
        query = {"db": "autoqos", "q": "SELECT count(sent) FROM probe"}
        text = call(self.server.url + "/query", query=query, token=TOKEN).decode()
        found = re.search(r'"values":\[\[[^,]+,(\d+)\]\]', text)
        return int(found[1]) if found else 0


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    (tmp_path / "agent" / "data").mkdir(parents=True)
    with influxd_v2(tmp_path / "influxd") as server:
        agent = Agent(tmp_path / "agent", server)
        agent.settings()
        agent.write()
        yield agent


def episode(
    agent: Agent, kind: str, sentence: str, reason: str, begin: Callable[[], object], end: Callable[[], object]
) -> None:
    """Begin the state while points arrive, see it told, end it, see that told, and every row there."""
    with agent.shipping():
        until(lambda: agent.arrived() == 1, "the first row")
        begin()
        agent.write()
        until(lambda: agent.events(kind) == ["begin"], f"the event that {kind} begins")
        until(lambda: sentence in agent.autoqos("status"), f"status says: {sentence}")
        assert re.search(reason, agent.autoqos("status"))
        end()
        agent.write()
        until(lambda: agent.events(kind) == ["begin", "end"], f"the event that {kind} is over")
        until(lambda: agent.arrived() == len(agent.written), "every row")
        until(lambda: sentence not in agent.autoqos("status"), "status says it no more")
    assert len(agent.told()) == 2, agent.told()


def test_an_outage(agent: Agent) -> None:
    episode(
        agent, "outage", "takes no points now, they wait", "Connection refused", agent.server.kill, agent.server.start
    )


def test_a_wrong_token(agent: Agent) -> None:
    episode(
        agent, "refused", "refuses, points wait until somebody acts", "401 unauthorized",
        lambda: restarted(agent, token="wrong"), agent.settings,
    )  # fmt: skip


def restarted(agent: Agent, **settings: str) -> None:
    """An edit of both files: a new token alone is taken up when the old one is refused."""
    agent.settings(**settings)
    (agent.folder / "config.yaml").write_text((agent.folder / "config.yaml").read_text() + "interval: 2s\n")


def test_a_missing_bucket(agent: Agent) -> None:
    episode(
        agent, "refused", "refuses, points wait until somebody acts", '404 .*bucket "missing" not found',
        lambda: agent.settings(bucket="missing"), agent.settings,
    )  # fmt: skip


def test_a_missing_token_when_it_starts(agent: Agent) -> None:
    agent.settings(token="")
    with agent.shipping():
        until(lambda: agent.events("refused") == ["begin"], "the event")
        assert "INFLUX_TOKEN is not set" in agent.autoqos("status")
        agent.settings()
        until(lambda: agent.events("refused") == ["begin", "end"], "the other event")
    assert agent.arrived() == 1
    assert len(agent.told()) == 2


def test_points_set_aside_and_sent_again(agent: Agent) -> None:
    # Another program wrote `sent` as a text.
    conflict = f'probe,host=other,target=x sent="many" {time.time_ns()}'.encode()
    call(agent.server.url + "/api/v2/write", query={"org": ORG, "bucket": "autoqos"}, body=conflict, token=TOKEN)
    with agent.shipping():
        until(lambda: agent.events("set_aside") == ["begin"], "the event")
        status = agent.autoqos("status")
        assert "1 points set aside" in status
        assert "never takes some points, they are set aside: 422" in status
    assert len(agent.told()) == 1
    # The conflict is gone with its shard; then `ship` sends them again.
    orgs = json.loads(call(agent.server.url + "/api/v2/buckets", query={"name": "autoqos"}, token=TOKEN))["buckets"][0]
    call(f"{agent.server.url}/api/v2/buckets/{orgs['id']}", token=TOKEN, method="DELETE")
    make_bucket(agent.server.url, orgs["orgID"], "autoqos")
    assert "1 of 1 points that were set aside are taken now" in agent.autoqos("ship", "--since", "1h")
    assert agent.arrived() == 1
    assert "set aside" not in agent.autoqos("status")


def test_missing_coarse_buckets(agent: Agent) -> None:
    for bucket in json.loads(call(agent.server.url + "/api/v2/buckets", token=TOKEN))["buckets"]:
        if bucket["name"].startswith("autoqos/"):
            call(f"{agent.server.url}/api/v2/buckets/{bucket['id']}", token=TOKEN, method="DELETE")
            org = bucket["orgID"]
    with SqliteStore(agent.folder / "data" / "autoqos.db") as store:
        then = time.time_ns() - 7200 * 10**9
        store.write([Probe(time_ns=then, host="h", target="t", ok=1, rtt_ms=1.0, loss_ratio=0.0, sent=1, received=1)])
        assert store.maintain(time.time_ns(), budget_s=60)
    with agent.shipping():
        until(lambda: agent.events("history_refused") == ["begin"], "the event")
        assert re.search(r"the coarse history is not shipped to .*404", agent.autoqos("status"))
        for policy in ("5m", "1h"):
            make_bucket(agent.server.url, org, f"autoqos/{policy}")
        until(lambda: agent.events("history_refused") == ["begin", "end"], "the other event")
    assert agent.arrived() == 2


def test_a_full_disk(tmp_path: Path) -> None:
    require.linux_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "autoqos-test", str(disk)], check=True)
    port = free_port()
    server = Server(command(disk, port), {}, f"http://127.0.0.1:{port}", disk)
    ballast = disk / "ballast"

    def fill() -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))

    def free() -> None:
        ballast.unlink()
        server.kill()
        server.start()  # as docs/influxdb.md says

    try:
        server.start()
        set_up(server.url)
        (tmp_path / "agent" / "data").mkdir(parents=True)
        agent = Agent(tmp_path / "agent", server)
        agent.settings()
        agent.write()
        episode(agent, "outage", "takes no points now, they wait", "500 .*no space left on device", fill, free)
    finally:
        server.kill()
        subprocess.run(["umount", "-l", str(disk)], check=False)
