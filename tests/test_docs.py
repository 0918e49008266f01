"""What the documents point at exists, and the commands that they show are commands that there are."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from console.commands.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    files = re.findall(
        r"`((?:bench|docs|grafana|stack|qos|collector|enforcer|forecaster|console|tests)/[\w/.-]+\.\w+)`", text
    )
    missing = [link for link in links if link and not (document.parent / link).exists()]
    missing += [name for name in files if not (ROOT / name).exists()]
    missing += [
        name
        for name in re.findall(r"docs/decisions/(\d{4})", text)
        if not list(ROOT.glob(f"docs/decisions/{name}-*.md"))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_shown_are_commands_there_are(document: Path) -> None:
    group = get_command(app)
    known = set(group.list_commands(None)) | {"…"}  # type: ignore[attr-defined] # a group; needs no context
    shown = set(re.findall(r"`(?:uv run )?autoqos ([a-z-]+)", document.read_text(encoding="utf-8")))
    assert shown <= known, sorted(shown - known)
