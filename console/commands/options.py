"""The options that commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; default: config.yaml here, else the built-in defaults."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of the data; default: data_dir of the settings."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
SinceOption = Annotated[
    str, typer.Option("--since", metavar="SPAN", help="How far back (1h, 30m, 7d), or a time (2026-11-21T03:00:00Z).")
]
