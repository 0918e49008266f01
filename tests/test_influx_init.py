"""The one-shot that sets InfluxDB up: twice the same, against a recording stub of the influx command line.

With ``AUTOQOS_TEST_INFLUX_URL`` (an InfluxDB 2.x), its operator token and an ``influx`` program it runs for real.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qos.contract.coarse import KEPT, bucket
from tests.require import posix_shell, program
from tests.servers import call

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "stack" / "influx-init.sh"
BUCKETS = {bucket("autoqos", policy): kept for policy, kept in KEPT.items()}
OLD_TASKS = ("autoqos-5m", "autoqos-1h", "autoqos-5m-late", "autoqos-1h-late")
ACCOUNTS = {"AGENT_ACCOUNT": "agent:one", "READER_ACCOUNT": "grafana:two", "FORECASTER_ACCOUNT": "forecaster:three"}

STUB = '''#!{python}
"""The few commands that the script uses, with the answers of influx 2.8 (recorded), on a JSON file."""
import json, pathlib, re, sys
file = pathlib.Path({state!r})
empty = {{"buckets": {{}}, "tasks": {{}}, "accounts": {{}}, "calls": []}}
state = json.loads(file.read_text()) if file.exists() else empty
words = sys.argv[1:]
state["calls"].append(words)
command = " ".join(w for w in words[:3] if not w.startswith("-") and w in
    ("bucket", "task", "v1", "auth", "org", "list", "create", "update", "delete", "set-password"))
def flags(name):
    return [words[i + 1] for i, w in enumerate(words) if w == name]
def flag(name):
    return (flags(name) or [""])[0]
def end(code=0, text=""):
    file.write_text(json.dumps(state))
    (sys.stderr if code else sys.stdout).write(text)
    sys.exit(code)
def new(what):
    return f"{{len(state['calls']):016x}}"
if command == "org list":
    end(0, "id\\tautoqos\\n")
if command == "bucket list":
    found = state["buckets"].get(flag("--name"))
    if not found:
        end(1, "Error: failed to find bucket by name: 404 Not Found\\n")
    end(0, f"{{found['id']}}\\t{{flag('--name')}}\\t{{found['retention']}}\\t24h\\torg\\timplicit\\n")
if command == "bucket create":
    state["buckets"][flag("--name")] = {{"id": new("b"), "retention": flag("--retention")}}
    end()
if command == "task list":
    end(0, "".join(f"{{t['id']}}\\t{{n}}\\torgid\\tautoqos\\tactive\\t1h\\t\\t\\n" for n, t in state["tasks"].items()))
if command == "task delete":
    state["tasks"] = {{n: t for n, t in state["tasks"].items() if t["id"] != flag("--id")}}
    end()
if command == "v1 auth list":
    found = state["accounts"].get(flag("--username"))
    if not found:
        end(1, "Error: could not find Authorizations\\n")
    end(0, f"{{found['id']}}\\t\\t{{flag('--username')}}\\tadmin\\tuid\\t[{{' '.join(found['may'])}}]\\n")
if command == "v1 auth create":
    if flag("--username") in state["accounts"]:
        end(1, "token already exists\\n")
    may = [f"{{a}}:orgs/0rg/buckets/{{b}}" for a in ("read", "write") for b in flags(f"--{{a}}-bucket")]
    state["accounts"][flag("--username")] = {{"id": new("a"), "password": "", "may": may}}
    assert "--no-password" in words
    end()
if words[0] == "-fsS" and words[-1].endswith("/password"):
    sent = json.loads(sys.stdin.read())["password"]
    header = pathlib.Path(next(w for w in words if w.startswith("@"))[1:])
    assert header.read_text() == "Authorization: Token t0ps3cret\\n" and header.stat().st_mode & 0o77 == 0
    next(a for a in state["accounts"].values() if a["id"] == words[-1].split("/")[-2])["password"] = sent
    end()
if command == "v1 auth delete":
    del state["accounts"][flag("--username")]
    end()
end(1, f"the stub does not know {{words}}\\n")
'''


class Stub:
    def __init__(self, folder: Path) -> None:
        posix_shell()
        self.state = folder / "state.json"
        self.path = folder / "bin"
        self.path.mkdir()
        influx = self.path / "influx"
        influx.write_text(STUB.format(python=sys.executable, state=str(self.state)))
        influx.chmod(0o755)
        (self.path / "curl").symlink_to(influx)

    def run(self, **changed: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": f"{self.path}:/usr/bin:/bin", "INFLUX_ORG": "autoqos"}
        environment |= ACCOUNTS | {"INFLUX_TOKEN": "t0ps3cret", "INFLUX_HOST": "http://influx"} | changed
        return subprocess.run(
            [program("sh"), str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=120
        )

    @property
    def known(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state.read_text())
        return found


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    return Stub(tmp_path)


def test_it_makes_buckets_and_accounts_that_may_no_more_than_they_need(stub: Stub) -> None:
    result = stub.run()
    assert result.returncode == 0, result.stderr
    known = stub.known
    assert {name: bucket["retention"] for name, bucket in known["buckets"].items()} == BUCKETS
    ids = {bucket["id"]: name for name, bucket in known["buckets"].items()}
    may = {
        name: {(grant.split(":")[0], ids[grant.rsplit("/", 1)[1]]) for grant in account["may"]}
        for name, account in known["accounts"].items()
    }
    reads = {("read", name) for name in BUCKETS}
    assert may == {
        "agent": {("write", name) for name in BUCKETS},
        "grafana": reads,
        "forecaster": reads | {("write", "autoqos")},
    }
    assert {account["password"] for account in known["accounts"].values()} == {"one", "two", "three"}


def test_a_second_run_leaves_everything_as_it_is(stub: Stub) -> None:
    assert stub.run().returncode == 0
    first = stub.known
    result = stub.run()
    assert result.returncode == 0, result.stderr
    second = stub.known
    for what in ("buckets", "accounts"):
        assert second[what] == first[what]
    again = second["calls"][len(first["calls"]) :]
    assert not [words for words in again if "create" in words or "delete" in words]
    assert "made" not in result.stdout


def test_a_new_password_in_env_is_taken_over(stub: Stub) -> None:
    stub.run()
    assert stub.run(AGENT_ACCOUNT="agent:changed").returncode == 0
    assert stub.known["accounts"]["agent"]["password"] == "changed"


def test_an_account_with_other_rights_is_made_anew(stub: Stub) -> None:
    stub.run()
    known = stub.known
    known["accounts"]["agent"]["may"].append("read:orgs/0rg/buckets/ffffffffffffffff")
    stub.state.write_text(json.dumps(known))
    assert "account agent: made" in stub.run().stdout
    assert len(stub.known["accounts"]["agent"]["may"]) == 3


def test_the_tasks_of_earlier_versions_are_removed_and_no_other(stub: Stub) -> None:
    stub.run()
    known = stub.known
    known["tasks"] = {name: {"id": f"{at:016x}"} for at, name in enumerate((*OLD_TASKS, "somebody-elses"))}
    stub.state.write_text(json.dumps(known))
    assert stub.run().returncode == 0
    assert set(stub.known["tasks"]) == {"somebody-elses"}


def test_no_secret_is_ever_an_argument_of_a_program(stub: Stub) -> None:
    given = {"AGENT_ACCOUNT": "agent:Secret1", "READER_ACCOUNT": "grafana:Secret2", "FORECASTER_ACCOUNT": "f:Secret3"}
    assert stub.run(**given).returncode == 0
    arguments = [word for words in stub.known["calls"] for word in words]
    assert not [word for word in arguments if "Secret" in word or "t0ps3cret" in word]
    assert {account["password"] for account in stub.known["accounts"].values()} == {"Secret1", "Secret2", "Secret3"}


@pytest.mark.parametrize("password", ["with space", 'quote"inside', "back\\slash", "-hyphen", "a:b", "$HOME", "ü"])
def test_a_password_of_any_kind_arrives_as_it_is(stub: Stub, password: str) -> None:
    assert stub.run(AGENT_ACCOUNT=f"agent:{password}").returncode == 0
    assert stub.known["accounts"]["agent"]["password"] == password


def test_a_token_in_the_place_of_an_account_is_refused_and_not_shown(stub: Stub) -> None:
    token = "Zm9yZXZlcg=="
    result = stub.run(AGENT_ACCOUNT=token)
    assert result.returncode == 1
    assert "INFLUX_TOKEN in .env is not name:password" in result.stderr
    assert token not in result.stdout + result.stderr
    assert not stub.state.exists()


def test_a_failing_command_ends_it_with_an_error(stub: Stub) -> None:
    influx = stub.path / "influx"
    influx.write_text("#!/bin/sh\necho 'Error: 401 Unauthorized' >&2\nexit 1\n")
    result = stub.run()
    assert result.returncode != 0
    assert "INFLUX_ADMIN_TOKEN" in result.stderr


def test_a_missing_variable_is_named(stub: Stub) -> None:
    result = stub.run(AGENT_ACCOUNT="")
    assert result.returncode != 0
    assert "AGENT_ACCOUNT" in result.stderr


def test_the_scripts_pass_shellcheck() -> None:
    scripts = [
        str(path) for path in ROOT.rglob("*.sh") if ".venv" not in path.parts and "node_modules" not in path.parts
    ]
    assert str(SCRIPT) in scripts
    result = subprocess.run([program("shellcheck"), *scripts], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_no_script_has_a_carriage_return_and_checkouts_keep_it_so() -> None:
    assert b"\r" not in SCRIPT.read_bytes()
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text()


@pytest.mark.skipif(
    not os.environ.get("AUTOQOS_TEST_INFLUX_URL"), reason="AUTOQOS_TEST_INFLUX_URL names no real InfluxDB 2.x"
)
@pytest.mark.server
def test_on_a_real_server_two_runs_give_the_same_and_accounts_can_do_what_they_should(tmp_path: Path) -> None:
    url, token = os.environ.get("AUTOQOS_TEST_INFLUX_URL", ""), os.environ.get("AUTOQOS_TEST_INFLUX_TOKEN", "")
    org = os.environ.get("AUTOQOS_TEST_INFLUX_ORG", "autoqos")
    influx = program("influx")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "INFLUX_HOST": url, "INFLUX_TOKEN": token}
    environment |= {"INFLUX_ORG": org}
    environment |= {name: f"{value}-password" for name, value in ACCOUNTS.items()}

    def run() -> str:
        result = subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def listed(*command: str) -> str:
        return subprocess.run([influx, *command, "--json"], env=environment, capture_output=True, text=True).stdout

    run()
    before = [listed("bucket", "list"), listed("v1", "auth", "list")]
    assert "made" not in run()
    assert [listed("bucket", "list"), listed("v1", "auth", "list")] == before
    line = b"agent,host=init,part=test restarts=0i"
    call(url + "/write", query={"db": "autoqos"}, body=line, token="agent:one-password")
    statement = {"db": "autoqos", "q": "SELECT count(restarts) FROM agent WHERE host = 'init'"}
    assert b'"series"' in call(url + "/query", query=statement, token="grafana:two-password")
    assert b'"series"' not in call(url + "/query", query=statement, token="agent:one-password")
    with pytest.raises(OSError, match="403"):
        call(url + "/write", query={"db": "autoqos"}, body=line, token="grafana:two-password")
