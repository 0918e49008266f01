"""``autoqos forecast`` and ``autoqos backtest``: what a person types. Imports nothing heavy until it runs.

``forecast_app`` and ``backtest`` are mounted by the console. Errors that the user can mend are lines on standard
error and exit status 2, wherever this is mounted.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; default: config.yaml here, else the built-in defaults."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of the data; default: data_dir of the settings.")
]
SourceOption = Annotated[
    str,
    typer.Option("--from", metavar="STORE", help="local, influxdb, or auto: InfluxDB when the settings name one."),
]
PlotsOption = Annotated[
    Path | None, typer.Option("--plots", metavar="DIR", help="Draw into this folder (PNG, 1200 pixels wide).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
SeriesOption = Annotated[
    str | None,
    typer.Option(
        "--series", metavar="NAMES", help="Only these, comma-separated: host_down, latency:1.1.1.1, app:chrome."
    ),
]

forecast_app = typer.Typer(
    help="Forecasts: on a schedule (without options), once, or the newest ones.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _mendable(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable

        try:
            command(*args, **kwargs)
        except ConfigError as error:
            for line in error.lines:
                typer.echo(f"autoqos: {line}", err=True)
            raise typer.Exit(2) from None
        except (StoreUnavailable, StoreRejected) as error:
            typer.echo(f"autoqos: store: {error}", err=True)
            raise typer.Exit(1) from None

    return guarded


@_mendable
def backtest(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The series, one row per time.")],
    *,
    time: Annotated[str, typer.Option("--time", metavar="COLUMN", help="Column of the times.")],
    value: Annotated[str, typer.Option("--value", metavar="COLUMN", help="Column that is predicted.")],
    features: Annotated[
        str, typer.Option("--features", metavar="A,B", help="Further columns that the lstm model looks at.")
    ] = "",
    every: Annotated[
        str | None, typer.Option("--every", metavar="5m", help="Grid; default: the file's own step.")
    ] = None,
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=48, help="Steps predicted.")] = 12,
    folds: Annotated[int, typer.Option("--folds", min=2, max=20, help="Walk-forward folds.")] = 5,
    sequence: Annotated[int, typer.Option("--sequence", min=4, max=512, help="Steps looked back.")] = 48,
    models: Annotated[str, typer.Option("--models", metavar="NAMES", help="Which ones, comma-separated.")] = "all",
    counter: Annotated[bool, typer.Option("--counter", help="The value is a cumulative counter.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")] = 7,
    plots: PlotsOption = None,
    json: JsonOption = False,
) -> None:
    """Score every model on a series of your own, on data later than its training, and say which one would serve."""
    from forecaster.cli.backtest import run_backtest

    run_backtest(
        file=file,
        time=time,
        value=value,
        features=features,
        every=every,
        horizon=horizon,
        folds=folds,
        sequence=sequence,
        models=models,
        counter=counter,
        seed=seed,
        plots=plots,
        as_json=json,
    )


@forecast_app.callback()
@_mendable
def forecast(
    ctx: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="One round now, with a table.")] = False,
    series: SeriesOption = None,
    plots: PlotsOption = None,
    source: SourceOption = "auto",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Without options: the schedule of the settings, a new process per round, until Ctrl-C."""
    if ctx.invoked_subcommand is not None:
        return
    from forecaster.cli.forecast import run_forever, run_once

    if once:
        run_once(config, data, source, series, plots)
        return
    if series is not None or plots is not None:
        raise typer.BadParameter("--series and --plots go with --once")
    raise typer.Exit(run_forever(config, data))


@forecast_app.command()
@_mendable
def show(
    series: SeriesOption = None,
    json: JsonOption = False,
    source: SourceOption = "auto",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """The newest forecast of every series, with its 80 % band."""
    from forecaster.cli.forecast import show as show_newest

    show_newest(config, data, source, series, json)


@forecast_app.command()
@_mendable
def quota(
    json: JsonOption = False,
    source: SourceOption = "auto",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """What was used of each data volume (`quota:` in the settings), when the cap will be reached, the rest of today."""
    from forecaster.cli.quota import show_quotas

    show_quotas(config, data, source, json)
