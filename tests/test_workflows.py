"""What the workflows and the check under Wine name is there: paths, modules, the commands of ours and their options."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from console.commands.app import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
SCRIPTS = [ROOT / ".ci/run", ROOT / "tests/windows/wine.sh"]
_FOLDERS = "bench|collector|console|docs|enforcer|forecaster|grafana|qos|stack|tests"
_PATH = re.compile(rf"(?<![\w/.$-])(?:{_FOLDERS})/[\w./*\[\]-]+")
_MODULE = re.compile(rf"-m ((?:{_FOLDERS})[\w.]*)")
_OURS = re.compile(r"(?:^|(?<=[\s&|]))autoqos(?:\.exe\))? +([^\n|;&>)]+)")
_PYTEST = re.compile(r"(?:^|\s)pytest\b([^\n|&;]*)")


def steps(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step with the job that it belongs to."""
    for job, found in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].items():
        for step in found["steps"]:
            yield job, step


def commands(workflow: Path) -> str:
    """What all steps run, continued lines joined."""
    return re.sub(r"[\\`]\n\s*", " ", "\n".join(step["run"] for _, step in steps(workflow) if "run" in step))


def is_there(name: str) -> bool:
    """A path, perhaps with the shell's wildcards."""
    return any(True for _ in ROOT.glob(name.rstrip("/"))) if re.search(r"[*\[]", name) else (ROOT / name).exists()


def refusal(line: list[str]) -> str | None:
    """Why ``autoqos`` would not take these arguments; None when it would."""
    command: Any = get_command(app)
    context = command.make_context("autoqos", [], resilient_parsing=True)
    while hasattr(command, "get_command"):
        name = line.pop(0)
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
        if hasattr(command, "get_command"):
            context = command.make_context(name, [], parent=context, resilient_parsing=True)
    try:
        command.make_context(command.name, line, parent=context)
    except Exception as error:  # of click, which only typer depends on
        return str(error)
    return None


def test_there_are_workflows() -> None:
    assert WORKFLOWS
    assert all(file.exists() for file in SCRIPTS)


@pytest.mark.parametrize("file", [*WORKFLOWS, *SCRIPTS], ids=lambda path: path.name)
def test_paths_and_modules_that_are_named_exist(file: Path) -> None:
    text = commands(file) if file in WORKFLOWS else file.read_text(encoding="utf-8")
    named = set(_PATH.findall(text)) | {f"{name.replace('.', '/')}.py" for name in _MODULE.findall(text)}
    assert named, "at least one, or this reads the file wrongly"
    assert sorted(name for name in named if not is_there(name)) == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_commands_of_ours_and_their_options_exist(workflow: Path) -> None:
    shown = [found.strip() for found in _OURS.findall(commands(workflow))]
    assert {"init", "check", "service install --config config.yaml"} <= set(shown)
    assert {line: why for line in shown if (why := refusal(shlex.split(line))) is not None} == {}


@pytest.mark.parametrize("line", ["instal", "service instal", "service install --konfig x", "init a b"])
def test_a_command_or_option_that_does_not_exist_is_noticed(line: str) -> None:
    assert refusal(shlex.split(line)) is not None


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_each_step_has_one_meaning_on_its_shell(workflow: Path) -> None:
    seen = list(steps(workflow))
    for job, step in seen:
        assert ("run" in step) != ("uses" in step), step
        if uses := step.get("uses"):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", uses), uses
        several = len(step.get("run", "").splitlines()) > 1
        if job == "windows" and several:  # PowerShell goes on after a command that failed
            assert step["shell"] == "pwsh"
            assert "$PSNativeCommandUseErrorActionPreference = $true" in step["run"] or "$LASTEXITCODE" in step["run"]
    after_tests = [step for job, step in seen if job == "windows" and "name" in step]
    assert after_tests
    assert all("!cancelled()" in step["if"] for step in after_tests), "each answers a question of its own"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_markers_of_pytest_that_are_named_are_declared(workflow: Path, pytestconfig: pytest.Config) -> None:
    calls = _PYTEST.findall(commands(workflow))
    assert calls
    declared = {line.partition(":")[0].strip() for line in pytestconfig.getini("markers")}
    for call in calls:
        words = shlex.split(call)
        for option, value in itertools.pairwise(words):
            if option == "-m":
                assert set(re.findall(r"\w+", value)) - {"not", "and", "or"} <= declared
        options = (word for word in words if word.startswith("-") and not word.startswith("--ignore=tests/"))
        assert set(options) <= {"-m", "-q", "-x", "-rs"}, call


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_the_steps_of_a_job_together_run_every_test_once(workflow: Path) -> None:
    calls: dict[str, list[str]] = {}
    for job, step in steps(workflow):
        calls.setdefault(job, []).extend(_PYTEST.findall(step.get("run", "")))
    every = sorted(ROOT.glob("tests/**/test_*.py"))
    assert {job for job, words in calls.items() if words} == {"linux", "windows"}
    for job in ("linux", "windows"):
        run = []
        for call in calls[job]:
            words = call.split()
            left_out = [ROOT / word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
            for place in [ROOT / word for word in words if not word.startswith("-")] or [ROOT / "tests"]:
                inside = place.rglob("test_*.py") if place.is_dir() else [place]
                run += [file for file in inside if not any(file.is_relative_to(folder) for folder in left_out)]
        assert sorted(run) == every, job


def test_the_dashboards_that_are_counted_and_photographed_are_those_there_are() -> None:
    text = "\n".join(commands(workflow) for workflow in WORKFLOWS)
    boards = {path.stem.removeprefix("autoqos-") for path in ROOT.glob("grafana/dashboards/*.json")}
    assert re.findall(r"tag=autoqos'\s*\|\s*jq length\)\" = (\d+)", text) == [str(len(boards))]
    (photographed,) = re.findall(r"for board in ([a-z ]+); do", text)
    assert boards - {"runbooks"} == set(photographed.split()), "the runbooks are words alone"
