"""The models know arrays only: no file, clock, process, thread or store, and nothing of what uses them."""

import ast
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[3] / "forecaster" / "models"
ALLOWED_OF_OURS = (
    "forecaster.data.frames",
    "forecaster.data.log_scale",
    "forecaster.data.windows",
    "forecaster.models",
    "qos.contract.config",
)
BANNED = {
    "os",
    "pathlib",
    "tempfile",
    "zipfile",
    "time",
    "datetime",
    "threading",
    "subprocess",
    "multiprocessing",
    "io",
}


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.py")), ids=lambda path: path.name)
def test_a_model_imports_arrays_and_other_models_only(path: Path) -> None:
    names = [
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom) and node.module
            else []
        )
    ]
    ours = [name for name in names if name.split(".")[0] in ("forecaster", "qos", "collector", "enforcer", "console")]
    assert [name for name in ours if not name.startswith(ALLOWED_OF_OURS)] == []
    assert BANNED & {name.split(".")[0] for name in names} == set()


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.py")), ids=lambda path: path.name)
def test_a_model_opens_no_file(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "open"]
