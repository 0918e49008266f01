"""``autoqos stack init`` where there is no checkout: all files, and edits that stay."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from console.stack import files
from qos.contract.errors import ConfigError


def test_an_empty_folder_gets_everything_that_compose_mounts(tmp_path: Path) -> None:
    files.write_stack(tmp_path)
    compose = yaml.safe_load((tmp_path / "docker-compose.yml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"influxdb", "influx-init", "grafana", "forecaster"}
    assert set(compose["volumes"]) == {"influxdb-data", "influxdb-config", "grafana-data", "forecaster-data"}
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            if mount[0] == ".":
                assert (tmp_path / mount.split(":")[0]).exists(), mount
    assert len(list((tmp_path / "grafana" / "dashboards").glob("*.json"))) == 7


def test_the_forecasters_image_is_built_from_what_was_written(tmp_path: Path) -> None:
    """Every COPY finds its source, and what is copied runs where nothing else of the project is."""
    files.write_stack(tmp_path)
    compose = yaml.safe_load((tmp_path / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["forecaster"]["build"] == {"context": f"./{files.IMAGE}"}
    context = tmp_path / files.IMAGE
    dockerfile = (context / "Dockerfile").read_text(encoding="utf-8")
    copied = dict(re.findall(r"^COPY (?!--from)(\S+) (\S+)$", dockerfile, re.M))
    assert all((context / source).exists() for source in copied), copied
    target = tmp_path / "opt"
    for source, place in copied.items():
        if place.startswith("/opt/autoqos/"):
            shutil.copytree(context / source, target / place.rsplit("/", 1)[1])
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", dockerfile, re.M)
    command = [sys.executable, *json.loads(entry)[1:], "--help"]
    where = "import console, forecaster; print(console.__file__, forecaster.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(target)}
    found = subprocess.run([sys.executable, "-c", where], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.count(str(target)) == 2, found.stdout + found.stderr
    shown = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--once" in shown.stdout


def test_a_checkout_has_what_its_own_image_is_built_of() -> None:
    root = files.source()
    dockerfile = (root / "forecaster" / "Dockerfile").read_text(encoding="utf-8")
    ignored = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in re.findall(r"^COPY (?!--from)(\S+) \S+$", dockerfile, re.M):
        assert (root / source).exists()
        assert f"!{source}" in ignored


def test_a_second_time_nothing_changes(tmp_path: Path) -> None:
    files.write_stack(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json") if path.name != files.MANIFEST}
    assert files.write_stack(tmp_path) == [f"{tmp_path}: the stack's files are up to date."]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(tmp_path.rglob("*.new"))


def test_an_upgrade_replaces_what_nobody_touched_and_keeps_what_somebody_changed(tmp_path: Path) -> None:
    files.write_stack(tmp_path)
    compose, overview = tmp_path / "docker-compose.yml", tmp_path / "grafana/dashboards/autoqos-overview.json"
    ours = overview.read_bytes()
    record = json.loads((tmp_path / files.MANIFEST).read_text(encoding="utf-8"))
    # As an older version wrote them: other text, and its hash in the record.
    overview.write_bytes(b"{}")
    record["grafana/dashboards/autoqos-overview.json"] = (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
    record["docker-compose.yml"] = "an older one"
    (tmp_path / files.MANIFEST).write_text(json.dumps(record), encoding="utf-8")
    compose.write_text("# mine\n", encoding="utf-8")
    said = files.write_stack(tmp_path)
    assert overview.read_bytes() == ours
    assert compose.read_text(encoding="utf-8") == "# mine\n"
    assert (tmp_path / "docker-compose.yml.new").is_file()
    assert any("changed by you" in line for line in said)


def test_in_the_checkout_nothing_is_written() -> None:
    assert files.write_stack(files.source()) == []


def test_dashboards_are_exported_for_a_grafana_of_ones_own(tmp_path: Path) -> None:
    said = files.export_dashboards(tmp_path / "new" / "folder")
    assert re.search(r": 7 dashboards", said[0])
    assert {path.suffix for path in (tmp_path / "new" / "folder").iterdir()} == {".json"}


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        files.export_dashboards(tmp_path / "file" / "below")
