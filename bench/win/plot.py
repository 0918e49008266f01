"""A picture a scenario: the call's extra delay and the use of the line, a row for each mode."""

from pathlib import Path
from typing import Any


def plot(results: list[dict[str, Any]], folder: Path) -> Path:
    """The call's extra delay and the line's use of all modes of one scenario, one below the other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(results), 2, figsize=(13, 2.4 * len(results)), squeeze=False, sharex="col")
    top = max(50.0, *(value for r in results for _, value in r["series"]["extra"]))
    for (left, right), result in zip(axes, results, strict=True):
        extra, line = result["series"]["extra"], result["series"]["line"]
        left.plot([at for at, _ in extra], [value for _, value in extra], linewidth=0.7, color="#b2182b")
        left.set_yscale("symlog", linthresh=10)
        left.set_ylim(0, top)
        left.axhline(15, color="#999999", linewidth=0.6, linestyle=":")
        left.set_ylabel(f"{result['mode']}\nextra delay, ms")
        right.plot([at for at, *_ in line], [down for _, down, _ in line], label="down", color="#2166ac", linewidth=0.9)
        right.plot([at for at, *_ in line], [up for *_, up in line], label="up", color="#4dac26", linewidth=0.9)
        control = result["series"]["control"]
        for way, colour in (("down", "#2166ac"), ("up", "#4dac26")):
            points = [(row["s"], row[way]["capacity_bps"]) for row in control if row[way]["capacity_bps"]]
            if points:
                right.plot(
                    *zip(*[(s, bps / 1e6) for s, bps in points], strict=True),
                    color=colour,
                    linestyle="--",
                    linewidth=0.6,
                )
        right.set_ylabel("Mbit/s")
        right.legend(loc="upper right", fontsize=7)
    axes[0][0].set_title(f"{results[0]['scenario']}: {results[0]['line']}: the call's extra delay")
    axes[0][1].set_title("the line's use (dashed: what was learned)")
    for axis in axes[-1]:
        axis.set_xlabel("seconds after the load's start")
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results[0]['scenario']}.png"
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
    return path
