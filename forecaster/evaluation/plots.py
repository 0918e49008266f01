"""Six plots of an evaluation, 1200 pixels wide: what was predicted, how well, and what training looked like.

Colours are those of Okabe & Ito, which people who see few colours tell apart; every model keeps its own.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from forecaster.data.frames import Frame
from forecaster.evaluation.backtest import Evaluation
from forecaster.evaluation.report import number

COLOURS: Final = {
    "actual": "#000000",
    "naive": "#7F7F7F",
    "seasonal_naive": "#E69F00",
    "ets": "#56B4E9",
    "ridge": "#009E73",
    "window_quantiles": "#D55E00",
    "lightgbm": "#8C6D1F",
    "lstm": "#CC79A7",
    "lstm_hybrid": "#0072B2",
    "combination": "#5B3A8C",
}
SIZE: Final = (12.0, 6.75)
DPI: Final = 100
SHOWN: Final = 300
"""Steps in the plot of actual against predicted: the newest."""


def draw_all(folder: Path, name: str, frame: Frame, evaluation: Evaluation) -> tuple[Path, ...]:
    """Every plot of one series; the files that were written. A plot without content (no training, one column) is
    left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, draw in (
        ("prediction", _prediction),
        ("training", _training),
        ("errors", _errors),
        ("correlation", _correlation),
        ("skill", _skill),
    ):
        figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
        if draw(figure, name, frame, evaluation):
            written.append(_save(figure, folder / f"{_file(name)}-{kind}.png"))
    return tuple(written)


def draw_targets(folder: Path, found: Mapping[str, Evaluation]) -> Path | None:
    """All series side by side: each model's error over naive's. None when there is nothing to compare."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    series = [name for name, e in found.items() if any(e.skill(m) is not None for m in e.backtests)]
    if not series:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    models = [m for m in COLOURS if any(m in found[s].backtests for s in series)]
    figure = Figure(figsize=(12.0, max(4.0, 1.2 + 0.28 * len(series) * len(models))), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(models)
    for place, model in enumerate(models):
        skills = [found[s].skill(model) if model in found[s].backtests else None for s in series]
        ratios = [min(1 - v, 3.0) if v is not None else 0.0 for v in skills]
        at = np.arange(len(series)) + (place - (len(models) - 1) / 2) * height
        axes.barh(at, ratios, height * 0.9, color=COLOURS[model], label=model)
        for y, s, v, r in zip(at, series, skills, ratios, strict=True):
            if v is not None:
                serves = "  serves" if found[s].choice.model == model else ""
                white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                axes.text(r + 0.01, y, f"{1 - v:.2f}{serves}", va="center", fontsize=9, bbox=white)
    axes.axvline(1, color=COLOURS["actual"], linewidth=1)
    axes.set_yticks(np.arange(len(series)), series, fontsize=11)
    axes.invert_yaxis()
    axes.set_xlim(0, max(axes.get_xlim()[1] * 1.08, 1.2))
    axes.set_xlabel("mean absolute error over naive's (left of the line is better; drawn up to 3)", fontsize=11)
    axes.set_title("All targets: error of every model against repeating the last value", fontsize=13, loc="left")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=10)
    return _save(figure, folder / "targets.png")


def _prediction(figure: Any, name: str, frame: Frame, evaluation: Evaluation) -> bool:
    step = min(evaluation.task.horizon, 6) - 1
    served = evaluation.choice.model
    axes = figure.subplots()
    newest = np.flatnonzero(evaluation.scored)[-SHOWN:]
    times = [_time(frame, int(o) + step + 1) for o in evaluation.origins[newest]]
    scale, unit = _scale(evaluation.actual[newest])
    banded = evaluation.backtests[served].banded[newest] / scale
    axes.fill_between(
        times, banded[:, step, 0], banded[:, step, 2], color=COLOURS[served], alpha=0.22, linewidth=0, label="80 % band"
    )
    if "naive" in evaluation.backtests and served != "naive":
        naive = evaluation.backtests["naive"].raw[newest, step, 1] / scale
        axes.plot(times, naive, color=COLOURS["naive"], linewidth=1.1, linestyle="--", label="naive")
    axes.plot(times, evaluation.actual[newest, step] / scale, color=COLOURS["actual"], linewidth=1.4, label="actual")
    if "lstm" in evaluation.backtests and served != "lstm":
        # Who asks for the original's network wants to see it, whichever serves.
        path = evaluation.backtests["lstm"].banded[newest, step, 1] / scale
        axes.plot(times, path, color=COLOURS["lstm"], linewidth=1.0, label="lstm")
    axes.plot(times, banded[:, step, 1], color=COLOURS[served], linewidth=1.6, label=f"{served} (serves)")
    _finish(axes, f"{name}: actual and predicted {step + 1} steps ahead, on data later than the training", unit)
    _dates(axes)
    # Above the axes: never over the data.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=5, frameon=False, fontsize=10)
    axes.set_title(axes.get_title(loc="left"), fontsize=13, loc="left", pad=26)
    return True


def _training(figure: Any, name: str, frame: Frame, evaluation: Evaluation) -> bool:
    histories = [(m, t.first_fitted) for m, t in evaluation.backtests.items() if getattr(t.first_fitted, "loss", ())]
    if not histories:
        return False
    for axes, (model, fitted) in zip(np.atleast_1d(figure.subplots(1, len(histories))), histories, strict=True):
        loss, held = getattr(fitted, "loss", ()), getattr(fitted, "held_loss", ())
        epochs = np.arange(1, len(loss) + 1)
        axes.plot(epochs, loss, color=COLOURS[model], linewidth=1.6, label="training")
        axes.plot(epochs, held, color=COLOURS["actual"], linewidth=1.2, linestyle="--", label="held out")
        best = int(np.argmin(held))
        axes.plot(epochs[best], held[best], "o", color=COLOURS["actual"], label=f"kept: epoch {best + 1}")
        axes.set_xlabel("epoch", fontsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _finish(axes, f"{name}: {model}", "loss (mean squared error)" if model == "lstm" else "loss (quantile loss)")
        axes.legend(frameon=False, fontsize=10)
    return True


def _errors(figure: Any, name: str, frame: Frame, evaluation: Evaluation) -> bool:
    axes = figure.subplots()
    errors = {
        model: (evaluation.actual - backtest.banded[:, :, 1])[evaluation.scored]
        for model, backtest in evaluation.backtests.items()
    }
    errors = {model: e[~np.isnan(e)] for model, e in errors.items()}
    everything = np.concatenate(list(errors.values()))
    reach = float(np.quantile(np.abs(everything), 0.98)) or 1.0
    scale, unit = _scale(np.array([reach]))
    bins = np.linspace(-reach, reach, 81) / scale
    for model, e in errors.items():
        beyond = float(np.mean(np.abs(e) > reach))
        middle, size = number(float(np.median(e))), number(float(np.mean(np.abs(e))))
        label = f"{model}: median {middle}, mean size {size}, {beyond:.1%} beyond"
        share = np.full(e.shape, 100 / max(e.size, 1))
        axes.hist(
            e / scale,
            bins=bins,
            weights=share,
            histtype="step",
            linewidth=2.2 if model == evaluation.choice.model else 1.2,
            color=COLOURS[model],
            label=label,
        )
    axes.axvline(0, color=COLOURS["actual"], linewidth=0.8)
    axes.set_xlabel(f"actual minus predicted{', ' + unit if unit else ''} (98 % of all errors lie within)", fontsize=11)
    _finish(axes, f"{name}: distribution of the errors", "share of the errors, %")
    axes.legend(frameon=False, fontsize=10, loc="upper left")
    return True


def _correlation(figure: Any, name: str, frame: Frame, evaluation: Evaluation) -> bool:
    columns = [c for c in range(len(frame.names)) if np.nanstd(frame.values[:, c]) > 0]
    if len(columns) < 2:
        return False
    matrix = np.full((len(columns), len(columns)), np.nan)
    for i, a in enumerate(columns):
        for j, b in enumerate(columns):
            both = ~np.isnan(frame.values[:, a]) & ~np.isnan(frame.values[:, b])
            x, y = frame.values[both, a], frame.values[both, b]
            if x.size > 2 and x.std() > 0 and y.std() > 0:
                matrix[i, j] = np.corrcoef(x, y)[0, 1]
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    names = [frame.names[c] for c in columns]
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=11)
    axes.set_yticks(range(len(names)), names, fontsize=11)
    for i in range(len(names)):
        for j in range(len(names)):
            if np.isfinite(matrix[i, j]):
                dark = abs(matrix[i, j]) > 0.6
                axes.text(
                    j,
                    i,
                    f"{matrix[i, j]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=11,
                    color="white" if dark else "black",
                )
    figure.colorbar(image, ax=axes, label="correlation")
    axes.set_title(f"{name}: correlation of the features", fontsize=13, loc="left")
    return True


def _skill(figure: Any, name: str, frame: Frame, evaluation: Evaluation) -> bool:
    if "naive" not in evaluation.backtests or len(evaluation.backtests) < 2:
        return False
    naive = np.asarray(evaluation.backtests["naive"].score.mae_by_step)
    if not np.all(naive > 0):
        return False
    axes = figure.subplots()
    steps = np.arange(1, naive.size + 1)
    lowest = 0.0
    for model, backtest in evaluation.backtests.items():
        if model == "naive":
            continue
        skill = 100 * (1 - np.asarray(backtest.score.mae_by_step) / naive)
        lowest = min(lowest, float(np.nanmin(skill)))
        serves = model == evaluation.choice.model
        label = f"{model} (serves)" if serves else model
        if np.nanmax(skill) < -60:
            label += " (off the scale)"
        axes.plot(
            steps, skill, marker="o", markersize=4, linewidth=2.4 if serves else 1.3, color=COLOURS[model], label=label
        )
    axes.axhline(0, color=COLOURS["naive"], linestyle="--", label="naive")
    # A model far below naive must not press the others flat.
    axes.set_ylim(bottom=max(lowest * 1.1, -60.0) if lowest < 0 else -5)
    axes.set_xlabel(f"steps ahead (one step: {frame.step_ns / 1e9:g} s)", fontsize=11)
    axes.set_xticks(steps)
    _finish(axes, f"{name}: skill by horizon", "error less than naive's, %")
    axes.legend(frameon=False, fontsize=10, loc="upper left", bbox_to_anchor=(1, 1))
    return True


def _finish(axes: Any, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=13, loc="left")
    axes.set_ylabel(unit, fontsize=11)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlabel("time, UTC", fontsize=11)


def _time(frame: Frame, row: int) -> datetime:
    return datetime.fromtimestamp(frame.time_ns(row) / 1e9, UTC)


def _scale(values: Any) -> tuple[float, str]:
    """A divisor and its name, so that axes carry no exponents."""
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    steps: Sequence[tuple[float, str]] = ((1e9, "thousand millions"), (1e6, "millions"), (1e3, "thousands"))
    return next(((size, name) for size, name in steps if largest >= size), (1.0, ""))


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path)
    return path
