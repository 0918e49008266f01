"""Which model serves, and why: the simplest one that nothing beats clearly (docs/decisions/0041).

Naive serves unless something does better. Seasonal naive replaces it when its mean absolute error over the folds is at
least 2 % less. ETS and ridge replace the present winner when theirs is, and they also beat naive in four of five folds
or with a whole bootstrap interval of the ratio below one. A learned model must win in all three ways, by its quantile
loss (which scores the path and the band together), and never with a worse path.
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
class CandidateScores:
    """What the rule looks at. Errors and losses are in the series' unit."""

    mae: float
    loss: float
    """Mean quantile loss."""
    fold_mae: tuple[float, ...]
    fold_loss: tuple[float, ...]
    upper_mae: Mapping[str, float]
    """By the other model's name: upper end of the 95 % interval of this error over that one's."""
    upper_loss: Mapping[str, float]
    """The same of the loss."""


@dataclass(frozen=True)
class ModelChoice:
    """The model that serves, and the reason in a sentence."""

    model: str
    reason: str


def choose(scores: Mapping[str, CandidateScores]) -> ModelChoice:
    """The rule. Raises ValueError when there is no candidate."""
    simple = [name for name in SIMPLE if name in scores]
    learned = [name for name in LEARNED if name in scores]
    if not simple and not learned:
        raise ValueError("no model could be scored")
    if not simple:
        best = min(learned, key=lambda name: scores[name].loss)
        return ModelChoice(best, f"{best}: no baseline was asked for")
    winner = simple[0]
    for name in simple[1:]:
        # The mean ranks the baselines; one with parameters to fit must also be steadily better than the simplest.
        proof = None if name == "seasonal_naive" else simple[0]
        if _better(scores[name], scores[winner]) and (proof is None or _proven(scores, name, proof)):
            winner = name
    reason = _why(winner, simple, scores)
    for name in sorted(learned, key=lambda name: scores[name].loss):
        if _replaces(scores[name], scores[winner], winner):
            better = f"{_percent(scores[name].loss, scores[winner].loss)} less quantile loss and"
            return ModelChoice(
                name,
                f"{name}: {better} {_percent(scores[name].mae, scores[winner].mae)} less error than {winner}",
            )
    if learned:
        best = min(learned, key=lambda name: scores[name].loss)
        one, other = scores[best], scores[winner]
        ratios = f"error ×{one.mae / (other.mae or 1e-300):.2f}, quantile loss ×{one.loss / (other.loss or 1e-300):.2f}"
        reason += f"; {best} does not clearly beat it ({ratios})"
    return ModelChoice(winner, reason)


def _better(one: CandidateScores, other: CandidateScores) -> bool:
    return one.mae < other.mae and one.mae <= (1 - MARGIN) * other.mae


def _proven(scores: Mapping[str, CandidateScores], name: str, simplest: str) -> bool:
    one, other = scores[name], scores[simplest]
    return _steady(one.fold_mae, other.fold_mae) or one.upper_mae.get(simplest, 2.0) < 1


def _replaces(one: CandidateScores, other: CandidateScores, name: str) -> bool:
    """Whether a learned model replaces the best baseline."""
    if one.mae > other.mae or one.loss >= other.loss or one.loss > (1 - MARGIN) * other.loss:
        return False
    return _steady(one.fold_loss, other.fold_loss) and one.upper_loss.get(name, 2.0) < 1


def _steady(one: Sequence[float], other: Sequence[float]) -> bool:
    return sum(a < b for a, b in zip(one, other, strict=True)) >= FOLDS_SHARE * len(one)


def _why(winner: str, simple: Sequence[str], scores: Mapping[str, CandidateScores]) -> str:
    if "naive" not in scores:
        return f"{winner}: the least error of the baselines that were asked for"
    if winner == "naive":
        return (
            "naive: nothing beats repeating the last value on later data"
            if len(simple) > 1
            else "naive: no other baseline ran"
        )
    return f"{winner}: {_percent(scores[winner].mae, scores['naive'].mae)} less error than naive on later data"


def _percent(one: float, other: float) -> str:
    return f"{100 * (1 - one / other):.0f} %" if other else "0 %"
