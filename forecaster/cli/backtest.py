"""The body of ``autoqos backtest``."""

import json
from pathlib import Path
from typing import Final

import typer

from forecaster.cli.progress import ProgressBar
from forecaster.data.csvfile import read_csv
from forecaster.data.frames import Frame
from forecaster.data.windows import ForecastTask
from forecaster.evaluation import report
from forecaster.evaluation.backtest import Evaluation, evaluate
from forecaster.evaluation.folds import TooShortError, minimum_rows
from forecaster.evaluation.task import SHORTEST_LOOKBACK, plan
from forecaster.models.candidates import COMBINATION, NAMES, candidates
from forecaster.training.keras_trainer import KerasTrainer, unavailable
from qos.contract.errors import ConfigError
from qos.contract.units import format_duration, parse_duration_ns
from qos.system.clock import SYSTEM

LONGEST: Final = 20_000
"""Steps of a file that are used, the newest: more would take hours and change little."""


def run_backtest(
    *,
    file: Path,
    time: str,
    value: str,
    features: str,
    every: str | None,
    horizon: int,
    folds: int,
    sequence: int,
    models: str,
    counter: bool,
    seed: int,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Reads, scores, writes to standard output. Raises ConfigError."""
    names = parse_models(models)
    try:
        step_ns = parse_duration_ns(every) if every else None
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from None
    if step_ns is not None and step_ns <= 0:
        raise ConfigError("--every: must be more than zero")
    frame = read_csv(file, time, value, [f for f in features.split(",") if f], step_ns, counter=counter)
    frame = newest_part(frame)
    evaluation = assess(frame, horizon=horizon, sequence=sequence, folds=folds, names=names, seed=seed)
    drawn: tuple[Path, ...] = ()
    if plots is not None:
        from forecaster.evaluation.plots import draw_all, draw_targets

        drawn = draw_all(plots, value, frame, evaluation)
        side_by_side = draw_targets(plots, {value: evaluation})
        drawn += (side_by_side,) if side_by_side else ()
    if as_json:
        typer.echo(json.dumps(report.as_json(frame, evaluation), indent=2))
        return
    _write(value, frame, evaluation, drawn)


def newest_part(frame: Frame) -> Frame:
    """At most the newest ``LONGEST`` steps up to the last measured value, with a note where some were left out."""
    kept = frame.trimmed().latest(LONGEST)
    if kept.rows >= frame.rows:
        return kept
    notes = list(frame.notes)
    if (empty := frame.rows - frame.trimmed().rows) > 0:
        notes.append(f"{empty} steps after the last measured value left out")
    if (older := frame.trimmed().rows - kept.rows) > 0:
        notes.append(f"{older} older steps left out: the newest {LONGEST} are used")
    return Frame(kept.start_ns, kept.step_ns, kept.names, kept.values, tuple(notes))


def assess(frame: Frame, *, horizon: int, sequence: int, folds: int, names: tuple[str, ...], seed: int) -> Evaluation:
    """Plans and evaluates with a progress bar. Raises ConfigError for a series that cannot be scored."""
    try:
        planned = plan(frame, horizon=horizon, sequence=sequence, folds=folds, seed=seed)
    except TooShortError as error:
        least = minimum_rows(folds, ForecastTask(horizon, SHORTEST_LOOKBACK, frame.step_ns))
        raise ConfigError(f"{error}: at least {least} are needed (or fewer folds, a shorter horizon)") from None
    with ProgressBar("reading", len(names) * len(planned.folds)) as bar:
        why_not = unavailable()
        with KerasTrainer(bar.part) as trainer:
            chosen, missing = candidates(names, planned.task, None if why_not else trainer, why_not or "")
            try:
                return evaluate(
                    frame,
                    planned.task,
                    planned.folds,
                    chosen,
                    left_out=missing,
                    clock=SYSTEM,
                    combine=COMBINATION in names,
                    on_fit=lambda model, fold, of: bar.next(f"{model}, fold {fold + 1} of {of}"),
                )
            except ValueError as error:
                raise ConfigError(str(error)) from None


def parse_models(text: str) -> tuple[str, ...]:
    """Names from ``a,b`` or ``all``. Raises ConfigError with the names there are."""
    if text == "all":
        return NAMES
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"--models: no model {name!r}; there are {', '.join(NAMES)}")
    if not names:
        raise ConfigError(f"--models: name at least one of {', '.join(NAMES)}")
    return names


def _write(value: str, frame: Frame, evaluation: Evaluation, drawn: tuple[Path, ...]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    origins, horizon = int(evaluation.scored.sum()), evaluation.task.horizon
    step = format_duration(frame.step_ns)
    folds = sum(fold.scored for fold in evaluation.folds)
    what = f"{frame.rows} steps of {step}, {folds} folds, {origins} origins, {horizon} steps ahead"
    console.print(f"{escape(value)}: {what}")
    for note in evaluation.notes:
        console.print(f"  {escape(note)}")
    table = Table(box=None, pad_edge=False)
    for place, header in enumerate(report.HEADERS):
        table.add_column(header, justify="left" if place in (0, 10) else "right", no_wrap=True)
    for row in report.rows(evaluation):
        table.add_row(*row, style="bold" if row[-1] else None)
    console.print(table)
    for model, why in evaluation.left_out.items():
        console.print(f"{model} took no part: {escape(why)}")
    console.print(f"Served: {evaluation.choice.reason}.")
    for path in drawn:
        console.print(f"drawn: {escape(str(path))}")
