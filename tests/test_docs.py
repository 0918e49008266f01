"""What the documents point at exists, and the commands that they show are commands that there are."""

import ast
import re
from functools import cache
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


def names_of(path: Path) -> set[str]:
    """What a module defines: functions, classes, constants, and ``Class.member``."""
    return set(_names_of(path))


@cache
def _names_of(path: Path) -> frozenset[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        found |= _defined(node, "")
        if isinstance(node, ast.ClassDef):
            found |= {name for inner in node.body for name in _defined(inner, f"{node.name}.")}
    return frozenset(found)


def _defined(node: ast.stmt, prefix: str) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {prefix + node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {prefix + target.id for target in targets if isinstance(target, ast.Name)}


ARCHITECTURE = ROOT / "docs" / "architecture.md"
NAMED = re.findall(r"`([\w/]+\.py):([\w.]+)`", ARCHITECTURE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=str)
def test_the_architecture_page_names_what_there_is(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"{file} was moved: say in docs/architecture.md where it is now"
    assert name in names_of(ROOT / file), f"{file} has no {name}: say in docs/architecture.md what it is called now"


def test_the_architecture_page_answers_what_a_newcomer_asks() -> None:
    table = ARCHITECTURE.read_text(encoding="utf-8").rpartition("\n## ")[2]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    for words in (
        "packet wait",
        "rule matched",
        "line of InfluxDB",
        "capture backend",
        "probe",
        "limit",
        "document",
        "page",
    ):
        assert any(words in row.split(" | ")[0] for row in rows), words
    assert len(NAMED) > 60
    assert all("`" in row.split(" | ")[1] for row in rows)


def test_every_folder_that_the_architecture_page_lists_is_there() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    folders = re.findall(r"`([a-z]+(?:/[a-z_]+)*)/?`", text)
    assert [folder for folder in folders if "/" in folder and not (ROOT / folder).is_dir()] == []


def test_every_term_of_the_glossary_has_one_line_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| ")][2:]
    terms = [row[0].removeprefix("| ").casefold() for row in rows]
    assert terms == sorted(terms)
    assert len(terms) == len(set(terms))
    assert all(len(row) == 2 and len(row[1]) > 10 for row in rows)
