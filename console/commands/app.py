"""``autoqos``: every command by name. Bodies live in modules of their own and import heavy libraries when they run."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperGroup

from console.commands import enforce as cli_enforce
from console.commands import lag as cli_lag
from console.commands import line as cli_line
from console.commands import measure as cli_measure
from console.commands import page as cli_page
from console.commands import run as cli_run
from console.commands import service as cli_service
from console.commands import ship as cli_ship
from console.commands import stack as cli_stack

_LAZY: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"forecast": ("forecaster.cli.commands", "forecast_app"), "backtest": ("forecaster.cli.commands", "backtest")}
)
"""Commands of other packages, imported only when they are called or listed."""


class _Commands(TyperGroup):
    """The group that also knows commands which are not imported yet."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *(name for name in _LAZY if self.get_command(ctx, name) is not None)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _LAZY:
            return super().get_command(ctx, cmd_name)
        module, attribute = _LAZY[cmd_name]
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            return None  # an installation without the forecaster
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            command = typer.main.get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    help="Which application uses the network, how good the connection is, what comes next; important ones win.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _commands in (cli_run, cli_measure, cli_lag, cli_page, cli_enforce, cli_line, cli_ship, cli_stack, cli_service):
    _commands.add_to(app)
