"""Which model serves, and why: the simplest one that nothing beats clearly (docs/decisions/0041).

Naive serves unless something does better. Among the baselines, simplest first, one replaces the present winner when
its mean absolute error over the folds is at least 2 % less. A learned model replaces that winner when its quantile
loss (which scores the path and the band together) is at least 2 % less in mean and less in at least four of five
folds, or when the whole bootstrap interval of the ratio lies below one; and never when its path is worse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MARGIN: Final = 0.02
FOLDS_SHARE: Final = 0.8
SIMPLE: Final = ("naive", "seasonal_naive", "ets", "ridge")
"""Simplest first: a tie goes to the earlier one."""
LEARNED: Final = ("lstm", "lstm_hybrid")


@dataclass(frozen=True)
class Standing:
    """What the rule looks at."""

    mae: float
    loss: float
    """Mean quantile loss, in the series' unit."""
    fold_loss: tuple[float, ...]
    upper_ratio: Mapping[str, float]
    """By the other model's name: upper end of the 95 % interval of this loss over that one's."""


@dataclass(frozen=True)
class Choice:
    """The model that serves, and the reason in a sentence."""

    model: str
    reason: str


def choose(standings: Mapping[str, Standing]) -> Choice:
    """The rule. Raises ValueError when there is no candidate."""
    simple = [name for name in SIMPLE if name in standings]
    learned = [name for name in LEARNED if name in standings]
    if not simple and not learned:
        raise ValueError("no model could be scored")
    if not simple:
        best = min(learned, key=lambda name: standings[name].loss)
        return Choice(best, f"{best}: no baseline was asked for")
    winner = simple[0]
    for name in simple[1:]:
        if standings[name].mae < standings[winner].mae and standings[name].mae <= (1 - MARGIN) * standings[winner].mae:
            winner = name
    reason = _why(winner, simple, standings)
    for name in sorted(learned, key=lambda name: standings[name].loss):
        if _replaces(standings[name], standings[winner], winner):
            better = f"{_percent(standings[name].loss, standings[winner].loss)} less quantile loss and"
            return Choice(
                name,
                f"{name}: {better} {_percent(standings[name].mae, standings[winner].mae)} less error than {winner}",
            )
    if learned:
        best = min(learned, key=lambda name: standings[name].loss)
        one, other = standings[best], standings[winner]
        ratios = f"error ×{one.mae / (other.mae or 1e-300):.2f}, quantile loss ×{one.loss / (other.loss or 1e-300):.2f}"
        reason += f"; {best} does not clearly beat it ({ratios})"
    return Choice(winner, reason)


def _replaces(one: Standing, other: Standing, name: str) -> bool:
    if one.mae > other.mae or one.loss >= other.loss:
        return False
    pairs = list(zip(one.fold_loss, other.fold_loss, strict=True))
    steady = sum(a < b for a, b in pairs) >= FOLDS_SHARE * len(pairs)
    return (one.loss <= (1 - MARGIN) * other.loss and steady) or one.upper_ratio.get(name, 2.0) < 1


def _why(winner: str, simple: Sequence[str], standings: Mapping[str, Standing]) -> str:
    if "naive" not in standings:
        return f"{winner}: the least error of the baselines that were asked for"
    if winner == "naive":
        return (
            "naive: nothing beats repeating the last value on later data"
            if len(simple) > 1
            else "naive: no other baseline ran"
        )
    return f"{winner}: {_percent(standings[winner].mae, standings['naive'].mae)} less error than naive on later data"


def _percent(one: float, other: float) -> str:
    return f"{100 * (1 - one / other):.0f} %" if other else "0 %"
