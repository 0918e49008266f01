"""The stack's files as the installed program brings them: compose file, provisioning, dashboards, set-up scripts, and
what the forecaster's image is built of.

A wheel has them beside this module (``files/``); a checkout is their source. What a person changed is never replaced:
the newer text goes beside it as ``NAME.new``. What was written is remembered by its hash in ``.autoqos-stack.json``.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError

MANIFEST: Final = ".autoqos-stack.json"
PARTS: Final = ("docker-compose.yml", "config.yaml", "grafana/provisioning", "grafana/dashboards", "stack")
IMAGE: Final = "forecaster-image"
"""The folder that docker builds the forecaster's image from, where there is no checkout."""
PACKAGES: Final = ("qos", "collector", "enforcer", "forecaster", "console")
_PACKAGED: Final = Path(__file__).parent / "files"
_CHECKOUT: Final = Path(__file__).parents[2]


def source() -> Path:
    """Where the files come from. Raises ConfigError when this installation has none."""
    for root in (_PACKAGED, _CHECKOUT):
        if (root / "docker-compose.yml").is_file() and (root / "grafana" / "dashboards").is_dir():
            return root
    raise ConfigError("this installation has no stack files: install the wheel, or run this in the project's folder")


def write_stack(directory: Path) -> list[str]:
    """Write or bring up to date everything that `docker compose up` needs; returns what to tell. Raises ConfigError."""
    root = source()
    if directory.resolve() == root.resolve():
        return []
    try:
        return _write(root, directory)
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be written: {error.strerror}: check its rights") from None


def export_dashboards(directory: Path) -> list[str]:
    """Copy the dashboards for a Grafana of one's own; returns what to tell. Raises ConfigError."""
    found = sorted((source() / "grafana" / "dashboards").glob("*.json"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in found:
            (directory / path.name).write_bytes(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be written: {error.strerror}: choose another folder") from None
    return [
        f"{directory}: {len(found)} dashboards. They read the data source with the uid influx-influxql (InfluxQL,",
        "database autoqos): make it first, then import each file, or let a provider of type file read the folder.",
    ]


def _write(root: Path, directory: Path) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    record = directory / MANIFEST
    known: dict[str, str] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    written, kept = 0, []
    for name, content in _contents(root):
        path, digest = directory / name, hashlib.sha256(content).hexdigest()
        there = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if there and there not in (digest, known.get(name)):
            if known.get(name) != digest:
                path.with_name(f"{path.name}.new").write_bytes(content)
                kept.append(name)
        elif there != digest:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written += 1
        known[name] = digest
    record.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    lines = [f"{directory}: {written} files written." if written else f"{directory}: the stack's files are up to date."]
    return lines + [f"{directory / name}: changed by you, kept; the newer one is {name}.new." for name in kept]


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for part in PARTS:
        start = root / part
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file():
                content = path.read_bytes()
                if part == "docker-compose.yml":
                    content = _with_image(content.decode("utf-8")).encode("utf-8")
                yield path.relative_to(root).as_posix(), content
    yield from _image(root)


def _image(root: Path) -> Iterator[tuple[str, bytes]]:
    """Dockerfile, locked requirements and the packages, as they run here."""
    yield f"{IMAGE}/Dockerfile", (_CHECKOUT / "forecaster" / "Dockerfile").read_bytes()
    yield f"{IMAGE}/requirements.lock", (root / "requirements.lock").read_bytes()
    for package in PACKAGES:
        for path in sorted((_CHECKOUT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and _PACKAGED not in path.parents:
                yield f"{IMAGE}/{path.relative_to(_CHECKOUT).as_posix()}", path.read_bytes()


def _with_image(compose: str) -> str:
    """With the folder that was written as what the forecaster's image is built from."""
    return compose.replace("context: .\n      dockerfile: forecaster/Dockerfile\n", f"context: ./{IMAGE}\n")
