"""The table of commands: it says what the modules add, and one command does not wait for the others' imports."""

import importlib
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from console.commands.app import COMMANDS, app

MODULES = sorted({module for module, _ in COMMANDS})


@pytest.mark.parametrize("module", MODULES)
def test_the_table_says_what_a_module_adds(module: str) -> None:
    part = typer.Typer()
    part.callback()(lambda: None)
    importlib.import_module(f"console.commands.{module}").add_to(part)
    added = set(typer.main.get_group(part).commands)
    assert added == {name for of, names in COMMANDS if of == module for name in names.split()}


def test_no_command_is_there_twice() -> None:
    names = [name for _, names in COMMANDS for name in names.split()]
    assert len(names) == len(set(names))


def test_the_help_lists_every_command_with_what_it_does() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name in (name for _, names in COMMANDS for name in names.split()):
        assert [line for line in shown.output.splitlines() if line.startswith(f"  {name} ") and len(line) > 30], name


def test_a_mistyped_command_gets_a_suggestion() -> None:
    shown = CliRunner().invoke(app, ["lagg"])
    assert shown.exit_code == 2
    assert "Did you mean 'lag'?" in shown.output


def test_a_command_imports_neither_the_other_commands_nor_what_they_need() -> None:
    code = (
        "import sys\nfrom console.commands.app import app\napp(['lag', '--help'], standalone_mode=False)\n"
        "print(*{'psutil', 'pandas', 'console.commands.measure', 'console.commands.enforce'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
