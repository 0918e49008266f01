"""The bodies of ``autoqos forecast``: one round with a table, the schedule, the newest forecast."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from forecaster.data.source import open_store, parse_source
from qos.contract.config import Config
from qos.contract.errors import ConfigError
from qos.service import (
    data_dir,
    instance_lock,
    keep_files_private,
    make_data_dir,
    set_up_logging,
    stop_on_signals,
    stop_with_parent,
)
from qos.service.config_file import find_config, load_config
from qos.system import clock

if TYPE_CHECKING:
    from rich.table import Table

    from forecaster.data.series import SeriesId
    from forecaster.serving.round import SeriesResult
    from qos.contract.points import Event


def run_forever(config_path: Path | None, data: Path | None) -> int:
    """The schedule, until it is told to stop."""
    from forecaster.serving.schedule import run

    config, path, folder = _settings(config_path, data, reading=False)
    keep_files_private()
    make_data_dir(folder, config.data_group)
    set_up_logging("forecaster")
    with instance_lock(folder, "forecaster"):
        stop = threading.Event()
        stop_on_signals(stop)
        stop_with_parent(stop)
        return run(config, path, folder, stop)


def run_once(config_path: Path | None, data: Path | None, source: str, only: str | None, plots: Path | None) -> None:
    """One round with a progress bar, then a table. Raises ConfigError."""
    from forecaster.training.priority import single_thread

    single_thread()
    from forecaster.cli.progress import ProgressBar
    from forecaster.serving.job import whole_round

    config, path, folder = _settings(config_path, data, reading=False)
    names = _names(only)
    # Per series: every model once per fold and the calibration fold; more or less, bars may jump.
    with ProgressBar("reading", 10 * (len(config.forecast.models) * 6 + 1)) as bar:
        done = whole_round(
            config, path, folder, source=parse_source(source), only=names, on_step=bar.next, on_epoch=bar.part
        )
    if done.resumed:
        typer.echo(f"{done.resumed} series were done before the last round was interrupted: this one went on")
    missing = sorted(set(names or ()) - {outcome.series.name for outcome in done.results})
    if missing:
        raise ConfigError(f"--series: nothing is measured under {', '.join(missing)}")
    if not done.results and not done.resumed:
        raise ConfigError("nothing was measured in the last four weeks: start `autoqos up` first")
    _write_round(done.results, done.events, done.seconds)
    if plots is not None:
        from forecaster.evaluation.plots import draw_all, draw_targets

        scored = [o for o in done.results if o.evaluation is not None and o.frame is not None]
        drawn: list[Path] = []
        for outcome in scored:
            assert outcome.evaluation is not None
            assert outcome.frame is not None
            drawn += draw_all(plots, _label(outcome.series, scored), outcome.frame, outcome.evaluation)
        side_by_side = draw_targets(plots, {_label(o.series, scored): o.evaluation for o in scored if o.evaluation})
        typer.echo(f"drawn: {len(drawn) + bool(side_by_side)} files in {plots}")


def show(config_path: Path | None, data: Path | None, source: str, only: str | None, as_json: bool) -> None:
    """The newest forecasts. Raises ConfigError when there are none."""
    from forecaster.quota.outlook import read_outlooks
    from forecaster.quota.words import cap
    from forecaster.serving import show as shown
    from qos.contract.units import format_bytes

    config, path, folder = _settings(config_path, data, reading=True)
    now_ns = clock.wall_ns()
    with open_store(config, path, folder, parse_source(source), read_only=True) as store:
        found = shown.newest(store, now_ns, _names(only))
        volumes = read_outlooks(store, config, now_ns) if only is None and not as_json else ()
    if as_json:
        typer.echo(json.dumps(shown.as_json(found), indent=2))
        return
    if not found:
        raise ConfigError("no forecast yet: run `autoqos forecast --once`, or leave `autoqos up` running for a while")
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    several = len({one.host for one in found}) > 1
    for header in (*(("host",) if several else ()), "series", "model", "made", "until", "course"):
        table.add_column(header, no_wrap=True)
    for header in ("next", "80 % band", "last", "80 % band"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in found:
        first, last = one.steps[0], one.steps[-1]
        table.add_row(
            *((one.host,) if several else ()),
            one.series,
            one.model,
            f"{_ago(now_ns - one.made_ns)} ago",
            datetime.fromtimestamp(last.time_ns / 1e9, UTC).strftime("%H:%M:%S") + "Z",
            shown.sparkline([step.value for step in one.steps]),
            shown.in_unit(one.series, first.value),
            f"{shown.in_unit(one.series, first.lower)} – {shown.in_unit(one.series, first.upper)}",
            shown.in_unit(one.series, last.value),
            f"{shown.in_unit(one.series, last.lower)} – {shown.in_unit(one.series, last.upper)}",
        )
    _print(table)
    for volume in volumes:
        typer.echo(f"{volume.name}: {format_bytes(volume.volume_bytes)} a month: {cap(volume)}")


def _settings(config_path: Path | None, data: Path | None, *, reading: bool) -> tuple[Config, Path | None, Path]:
    path = find_config(config_path)
    config = load_config(path)
    return config, path, data_dir(config, data, reading=reading)


def _names(only: str | None) -> Sequence[str] | None:
    names = [name.strip() for name in only.split(",") if name.strip()] if only is not None else None
    if names is not None and not names:
        raise ConfigError("--series: name at least one, such as host_down,latency:1.1.1.1")
    return names


def _label(series: "SeriesId", among: "Sequence[SeriesResult]") -> str:
    several = len({outcome.series.host for outcome in among}) > 1
    return f"{series.host} {series.name}" if several else series.name


def _write_round(results: "Sequence[SeriesResult]", events: "Sequence[Event]", seconds: float) -> None:
    from rich.table import Table

    from forecaster.evaluation.report import percent, ratio
    from forecaster.serving.show import in_unit

    table = Table(box=None, pad_edge=False)
    table.add_column("series", no_wrap=True)
    table.add_column("served", no_wrap=True)
    for header in ("MAE", "RMSE", "R²", "MASE", "skill", "coverage", "seconds"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("next", justify="right", no_wrap=True)
    for outcome in results:
        e, name = outcome.evaluation, outcome.series.name
        if e is None or outcome.prediction is None:
            table.add_row(
                _label(outcome.series, results), "–", *[""] * 6, f"{outcome.seconds:.1f}", outcome.reason or ""
            )
            continue
        # What is forecast now: naive, with its own scores, while a gap breaks the winner's lookback.
        model = outcome.prediction.model if outcome.prediction.model in e.backtests else e.choice.model
        s = e.backtests[model].score
        table.add_row(
            _label(outcome.series, results),
            outcome.prediction.model,
            in_unit(name, s.mae),
            in_unit(name, s.rmse),
            ratio(s.r2),
            ratio(s.mase),
            percent(e.skill(model)),
            percent(s.coverage),
            f"{outcome.seconds:.1f}",
            in_unit(name, float(outcome.prediction.value[0])),
        )
    _print(table)
    left_out = {m: why for o in results if o.evaluation for m, why in o.evaluation.left_out.items()}
    for model, why in left_out.items():
        typer.echo(f"{model} took no part: {why}")
    for event in events:
        typer.echo(event.message)
    typer.echo(f"{sum(o.prediction is not None for o in results)} of {len(results)} series, {seconds:.0f} s")


def _print(table: "Table") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)


def _ago(span_ns: int) -> str:
    seconds = max(0, span_ns) // 10**9
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
