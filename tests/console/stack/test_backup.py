"""Backup and restore of the containers, against a stand-in for ``docker`` that keeps files in a folder."""

import json
import os
import sys
from pathlib import Path

import pytest

from console.stack.backup import backup, restore
from console.stack.folder import Stack, open_stack
from qos.contract.errors import ConfigError

SECRET = "operatorsSecret"
DOCKER = '''#!{python}
"""`docker compose exec | cp | stop | start` on a folder per service; `influx` writes and reads a manifest."""
import json, os, pathlib, shutil, sys
home = pathlib.Path({home!r})
words = sys.argv[1:]
with (home / "calls").open("a") as log:
    log.write(json.dumps([words, os.environ.get("INFLUX_TOKEN", "")]) + "\\n")
def path(name):
    service, _, inside = name.partition(":")
    return home / service / inside.lstrip("/") if inside else pathlib.Path(name)
assert words[0] == "compose"
if (home / "fails").exists() and (home / "fails").read_text() in " ".join(words):
    sys.exit("Error: it does not work: 500 Internal Server Error")
if words[1] == "cp":
    source, target = map(path, words[2:])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
elif words[1] == "exec":
    words = [word for word in words[2:] if word not in ("-T", "-e", "INFLUX_TOKEN")]
    service, command = words[0], words[1:]
    inside = home / service / command[-1].lstrip("/")
    if command[:2] == ["rm", "-rf"]:
        shutil.rmtree(inside, ignore_errors=True)
    elif command[:2] == ["influx", "backup"]:
        inside.mkdir(parents=True)
        (inside / "1.manifest").write_text((home / "database").read_text())
    elif command[:3] == ["influx", "restore", "--full"]:
        (home / "database").write_text((inside / "1.manifest").read_text())
    else:
        sys.exit(f"unknown: {{words}}")
else:
    assert words[1:] in (["stop", "grafana"], ["start", "grafana"]), words
'''


class Docker:
    def __init__(self, folder: Path) -> None:
        self.home = folder / "docker"
        (self.home / "bin").mkdir(parents=True)
        (self.home / "grafana" / "var/lib/grafana").mkdir(parents=True)
        self.grafana = self.home / "grafana" / "var/lib/grafana/grafana.db"
        self.grafana.write_text("boards")
        self.database = self.home / "database"
        self.database.write_text("points")
        program = self.home / "bin" / "docker"
        program.write_text(DOCKER.format(python=sys.executable, home=str(self.home)))
        program.chmod(0o755)

    @property
    def calls(self) -> list[tuple[list[str], str]]:
        return [tuple(json.loads(line)) for line in (self.home / "calls").read_text().splitlines()]

    def commands(self) -> list[str]:
        return [" ".join(words[1:]) for words, _ in self.calls]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker(tmp_path)
    monkeypatch.setenv("PATH", f"{docker.home / 'bin'}:{os.environ['PATH']}")
    return docker


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / ".env").write_text(f"INFLUX_ADMIN_TOKEN={SECRET}\nINFLUX_TOKEN=agent:one\n")
    return open_stack(tmp_path)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")


def test_what_was_kept_comes_back(docker: Docker, stack: Stack, tmp_path: Path) -> None:
    said = backup(stack, tmp_path / "kept", local=False)
    assert "InfluxDB, Grafana and .env" in said[0]
    docker.database.write_text("lost")
    docker.grafana.write_text("lost")
    (tmp_path / ".env").write_text("INFLUX_ADMIN_TOKEN=another\n")
    said = restore(open_stack(tmp_path), tmp_path / "kept", local=False)
    assert docker.database.read_text() == "points"
    assert docker.grafana.read_text() == "boards"
    assert f"INFLUX_ADMIN_TOKEN={SECRET}" in (tmp_path / ".env").read_text()
    assert (tmp_path / ".env.before-restore").read_text() == "INFLUX_ADMIN_TOKEN=another\n"
    assert any("docker compose up -d" in line for line in said)


def test_grafana_stands_still_only_while_its_file_is_copied_and_nothing_is_left_inside(
    docker: Docker, stack: Stack, tmp_path: Path
) -> None:
    backup(stack, tmp_path / "kept", local=False)
    commands = docker.commands()
    at = commands.index("stop grafana")
    assert commands[at + 1].startswith("cp grafana:")
    assert commands[at + 2] == "start grafana"
    assert not list((docker.home / "influxdb" / "tmp").iterdir())


def test_grafana_is_started_again_when_its_copy_fails(docker: Docker, stack: Stack, tmp_path: Path) -> None:
    (docker.home / "fails").write_text("cp grafana:")
    with pytest.raises(ConfigError, match="500 Internal Server Error"):
        backup(stack, tmp_path / "kept", local=False)
    assert docker.commands()[-1] == "start grafana"


def test_grafana_is_started_again_when_it_does_not_get_its_file_back(
    docker: Docker, stack: Stack, tmp_path: Path
) -> None:
    backup(stack, tmp_path / "kept", local=False)
    (docker.home / "fails").write_text("grafana:/var/lib")
    with pytest.raises(ConfigError, match="500 Internal Server Error"):
        restore(stack, tmp_path / "kept", local=False)
    assert docker.commands()[-1] == "start grafana"


def test_the_operators_token_goes_through_the_environment_only(docker: Docker, stack: Stack, tmp_path: Path) -> None:
    backup(stack, tmp_path / "kept", local=False)
    restore(stack, tmp_path / "kept", local=False)
    assert not [word for words, _ in docker.calls for word in words if SECRET in word]
    assert {token for _, token in docker.calls} == {SECRET}


def test_a_stranger_to_backups_is_refused_before_anything_is_replaced(
    docker: Docker, stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigError, match="is no backup of `autoqos stack backup`"):
        restore(stack, tmp_path / "other", local=False)
    assert not (docker.home / "calls").exists()


def test_without_docker_it_says_what_else_there_is(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"docker is not here: .* use --local with --url"):
        backup(stack, tmp_path / "kept", local=False)
