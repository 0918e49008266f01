"""``autoqos``: every command by name. Only the module of the one that is called is imported; for the help, all."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperGroup

_BARE: Final[Mapping[str, Any]] = MappingProxyType(
    {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
)

COMMANDS: Final[tuple[tuple[str, str], ...]] = (
    ("run", "up collector enforcer shipper"),
    ("measure", "top usage query status report clear-log check"),
    ("lag", "lag"),
    ("page", "page"),
    ("enforce", "set unset limit unlimit pause resume undo apps why shell"),
    ("line", "enforce link"),
    ("ship", "ship"),
    ("service", "init"),
    ("stack", "stack"),
    ("service", "service"),
)
"""In the order of the help: a module of ``console.commands`` and commands that its ``add_to`` adds."""
_MODULE: Final[Mapping[str, str]] = MappingProxyType(
    {name: module for module, names in COMMANDS for name in names.split()}
)

_ELSEWHERE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"forecast": ("forecaster.cli.commands", "forecast_app"), "backtest": ("forecaster.cli.commands", "backtest")}
)
"""Commands of other packages."""


class _Commands(TyperGroup):
    """The group that imports a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*_MODULE, *(name for name in _ELSEWHERE if self.get_command(ctx, name) is not None)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            if cmd_name in _MODULE:
                self.commands.update(_of_module(_MODULE[cmd_name]))
            elif cmd_name in _ELSEWHERE and (found := _of_package(cmd_name)) is not None:
                self.commands[cmd_name] = found
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:  # "did you mean" needs them all
            for name in _MODULE:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _of_module(module: str) -> Mapping[str, Any]:
    part = typer.Typer(**_BARE)
    part.callback()(lambda: None)  # a group, also of one command
    importlib.import_module(f"console.commands.{module}").add_to(part)
    return typer.main.get_group(part).commands


def _of_package(name: str) -> Any:
    """None: an installation without it."""
    module, attribute = _ELSEWHERE[name]
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return None
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(**_BARE)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


app = typer.Typer(
    cls=_Commands,
    help="Which application uses the network, how good the connection is, what comes next; important ones win.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **_BARE,
)


@app.callback()
def _autoqos() -> None:
    """The help is the application's."""
