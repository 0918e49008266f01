"""docker-compose.yml: strict keys, pinned images, loopback ports, nothing privileged, every variable documented."""

import os
import re
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field

from console.stack.env_file import KEYS, init
from tests.require import program

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Condition(Strict):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Healthcheck(Strict):
    test: list[str]
    interval: str
    timeout: str
    retries: int
    start_period: str


class Build(Strict):
    context: str
    dockerfile: str


class Service(Strict):
    """The keys of the compose specification that we use, and no others."""

    image: Annotated[str, Field(pattern=r"^(influxdb:2\.9\.\d+|grafana/grafana:13\.\d+\.\d+|autoqos-forecaster)$")]
    build: Build | None = None
    restart: Literal["unless-stopped", "on-failure:3"]
    depends_on: dict[str, Condition] = {}
    user: str | None = None
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    environment: dict[str, str] = {}
    ports: list[Annotated[str, Field(pattern=r"^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$")]] = []
    volumes: list[str] = []
    healthcheck: Healthcheck | None = None
    security_opt: list[Literal["no-new-privileges:true"]]
    cap_drop: list[Literal["ALL"]] = []


class Compose(Strict):
    name: Literal["autoqos"]
    services: dict[str, Service]
    volumes: dict[str, None]


COMPOSE = Compose.model_validate(yaml.safe_load(TEXT))


def test_the_services_are_these() -> None:
    assert set(COMPOSE.services) == {"influxdb", "influx-init", "grafana", "forecaster"}


def test_whoever_waits_for_a_service_waits_for_what_it_can_say() -> None:
    for name, service in COMPOSE.services.items():
        for other, how in service.depends_on.items():
            target = COMPOSE.services[other]
            if how.condition == "service_healthy":
                assert target.healthcheck is not None, (name, other)
            else:
                assert target.restart == "on-failure:3", (name, other)


def test_named_volumes_are_declared_and_paths_of_this_folder_exist_and_are_read_only() -> None:
    named = set()
    for service in COMPOSE.services.values():
        for volume in service.volumes:
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert rest.endswith(":ro"), volume
            else:
                named.add(source)
    assert named == set(COMPOSE.volumes)
    for service in COMPOSE.services.values():
        if service.build is not None:
            assert (ROOT / service.build.dockerfile).is_file()


def test_every_variable_is_a_documented_key_and_every_secret_is_demanded_with_what_to_run() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+)(:[?-][^}]*)?\}", TEXT))
    secrets = {key.name for key in KEYS if key.make}
    assert set(used) <= {key.name for key in KEYS}
    for name, rest in used.items():
        if name in secrets:
            assert rest == ":?run: autoqos stack init", name
        else:
            assert rest.startswith(":-"), name
    defaults = {key.name: key.default for key in KEYS if not key.make}
    for name, rest in used.items():
        if rest.startswith(":-"):
            assert defaults[name] == rest[2:], name


def test_no_variable_escapes_the_pattern_above() -> None:
    assert TEXT.count("$") == len(re.findall(r"\$\{[A-Z_]+(?::[?-][^}]*)?\}", TEXT))


def test_what_grafana_reads_from_its_environment_is_given() -> None:
    given = COMPOSE.services["grafana"].environment
    for file in (ROOT / "grafana" / "provisioning").rglob("*.y*ml"):
        text = re.sub(r"^\s*#.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for name in re.findall(r"\$\{?((?:GRAFANA|ALERT|INFLUX)_[A-Z_]+)", text):
            assert name in given, (file.name, name)


def docker_compose(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    tool = program("docker-compose")
    clean = {name: value for name, value in os.environ.items() if name not in {key.name for key in KEYS}}
    return subprocess.run([tool, *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Debian's docker-compose 1.29 knows the specification but for the project's name.
    (tmp_path / "docker-compose.yml").write_text(re.sub(r"^name: .*$", "", TEXT, flags=re.MULTILINE))
    return tmp_path


def test_docker_compose_accepts_it_with_the_secrets_of_stack_init(folder: Path) -> None:
    init(folder)
    result = docker_compose(folder, "config")
    assert result.returncode == 0, result.stderr
    services: dict[str, Any] = yaml.safe_load(result.stdout)["services"]
    env = dotenv_values(folder / ".env")
    assert services["influx-init"]["environment"]["AGENT_ACCOUNT"] == env["INFLUX_TOKEN"]
    assert services["influx-init"]["environment"]["READER_ACCOUNT"] == env["INFLUX_READ_TOKEN"]
    assert services["forecaster"]["environment"]["INFLUX_TOKEN"] == env["FORECASTER_INFLUX_TOKEN"]


def test_without_env_the_one_line_says_what_to_run(folder: Path) -> None:
    result = docker_compose(folder, "config")
    assert result.returncode != 0
    assert "run: autoqos stack init" in result.stderr


def test_healthy_means_that_the_real_server_answers() -> None:
    """At the end of the first set-up the image's own command-line configuration names the temporary server's port."""
    check = yaml.safe_load(TEXT)["services"]["influxdb"]["healthcheck"]["test"]
    assert check == ["CMD", "influx", "ping", "--host", "http://localhost:8086"]
