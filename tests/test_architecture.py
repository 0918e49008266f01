"""Imports run one way and each dangerous library has one owner: read from the source, not from good will."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("qos", "collector", "enforcer", "forecaster", "console")
MAY_IMPORT = {
    "qos": {"qos"},
    "collector": {"qos", "collector"},
    "enforcer": {"qos", "enforcer"},
    "forecaster": {"qos", "forecaster"},
    "console": set(PACKAGES),
}
OWNED: dict[str, str | tuple[str, ...]] = {
    "pydivert": "qos/packets/divert",
    "influxdb_client": "qos/shipping",
    "tensorflow": "forecaster/training",
    "keras": "forecaster/training",
    "ping3": "qos/system",
    "ruamel": "console/page",
    "starlette": "console/page",
    "textual": "console",
    "typer": ("console", "forecaster"),
    "uvicorn": "console/page",
}
SINGLE = ("pydivert", "influxdb_client", "tensorflow", "ping3")
PURE_BANS = ("socket", "threading", "time", "sqlite3", "subprocess", "logging")
PURE_FOLDERS = (
    "collector/accounting",
    "collector/lag",
    "enforcer/allocation",
    "enforcer/qdisc",
    "forecaster/models",
    "qos/contract",
    "qos/policy",
)
"""Everything below these is values in, values out."""
PURE_FILES = (
    "collector/capture/divert/attribution.py",
    "collector/capture/divert/flow_counts.py",
    "collector/capture/etw/attribution_check.py",
    "collector/capture/etw/flows.py",
    "collector/capture/etw/layout.py",
    "collector/capture/etw/parser.py",
    "collector/capture/etw/process_start.py",
    "qos/bpf/assembler.py",
    "collector/capture/kernel/layout.py",
    "collector/capture/kernel/programs.py",
    "collector/capture/sockets/owners.py",
    "collector/interfaces/counters.py",
    "collector/interfaces/selection.py",
    "collector/probes/statistics.py",
    "console/page/access/guard.py",
    "console/page/access/sessions.py",
    "console/page/what_if.py",
    "console/page/yaml_edit.py",
    "enforcer/datapath/kernel/classify.py",
    "enforcer/datapath/kernel/frame.py",
    "enforcer/datapath/kernel/layout.py",
    "enforcer/datapath/kernel/programs.py",
    "enforcer/datapath/kernel/rtnetlink.py",
    "enforcer/datapath/kernel/wait.py",
    "forecaster/data/frames.py",
    "forecaster/data/windows.py",
    "qos/packets/flows.py",
    "qos/packets/packet.py",
    "qos/shipping/delivery.py",
    "qos/shipping/telling/episodes.py",
    "qos/shipping/outcomes.py",
    "qos/shipping/schedule.py",
    "qos/store/sqlite/reading/read_plan.py",
)
"""Pure cores that live beside what feeds them."""
PURE = sorted(
    {path.relative_to(ROOT).as_posix() for folder in PURE_FOLDERS for path in (ROOT / folder).rglob("*.py")}
    | set(PURE_FILES)
)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names of the modules that a file imports, with the line; imports inside functions count too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0], node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value.split(".")[0].split(":")[0], node.lineno


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(package)
        for name, line in imports(path)
        if name in PACKAGES and name not in MAY_IMPORT[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ["contract", "policy", "system", "packets", "store"])
def test_the_foundation_does_not_import_what_is_around_its_processes(room: str) -> None:
    """``qos.service`` (locks, logs, data folder) is built on these: an import back closes a cycle."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {node.module}"
        for path in (ROOT / "qos" / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qos.service")
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(OWNED))
def test_dangerous_libraries_stay_with_their_owner(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in sources(package)
        for name, _ in imports(path)
        if name == library
    }
    assert all(user.startswith(OWNED[library]) for user in users), users
    if library == "pydivert":
        assert all(user.startswith("qos/packets/divert") for user in users)
    elif library in SINGLE:
        assert len(users) <= 1, users


@pytest.mark.parametrize("path", PURE)
def test_pure_cores_touch_no_clock_thread_socket_file_or_log(path: str) -> None:
    source = ROOT / path
    assert source.is_file(), f"{path} was renamed: name the module that holds this core now"
    assert [f"{path}:{line} imports {name}" for name, line in imports(source) if name in PURE_BANS] == []


SYSTEMS = re.compile(r"_(linux|windows|posix|psutil)$")


def test_no_two_classes_share_a_name() -> None:
    """The files of the operating systems share theirs, with each other and with the Protocol that they fulfil."""
    places: dict[str, set[str]] = {}
    for package in (*PACKAGES, "grafana"):
        for path in sources(package):
            twin = SYSTEMS.sub("", path.with_suffix("").relative_to(ROOT).as_posix())
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, set()).add(twin)
    shared = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert shared == {}


@pytest.mark.parametrize("package", [*PACKAGES, "grafana"])
def test_every_folder_of_code_says_what_lives_there_and_is_small_enough_to_see(package: str) -> None:
    for folder in sorted({path.parent for path in sources(package)}):
        shown = folder.relative_to(ROOT).as_posix()
        front = folder / "__init__.py"
        assert front.is_file(), f"{shown} has no __init__.py"
        assert ast.get_docstring(ast.parse(front.read_text(encoding="utf-8"))), f"{shown} does not say what lives there"
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 12, f"{shown} has {len(modules)} modules: give them rooms"


@pytest.mark.parametrize("package", [*PACKAGES, "grafana", "bench"])
def test_every_module_is_short_enough_to_read(package: str) -> None:
    """50 to 200 lines are usual; at 400 a module holds two things."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in sources(package)}
    assert {path.relative_to(ROOT).as_posix(): count for path, count in lines.items() if count > 400} == {}


@pytest.mark.parametrize("package", [*PACKAGES, "grafana", "tests", "bench"])
def test_texts_cite_what_the_reader_has(package: str) -> None:
    """A decision record, an RFC, a page: no file that is not in the repository, and no path of somebody's machine."""
    absent = re.compile(r"HOUSE\.md|\bfacts/|DESIGN\.md|/work/|/home/[a-z]+/Seed")
    here = Path(__file__)
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources(package)
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if absent.search(line)
    ]
    assert wrong == []


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(
        "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\n    importlib.import_module('i.j')\n",
        encoding="utf-8",
    )
    assert {name for name, _ in imports(file)} == {"a", "c", "h", "i"}


def test_no_registry_host_and_no_secret_is_committed() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock
