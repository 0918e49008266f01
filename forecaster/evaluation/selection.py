"""Which model serves, and why (docs/decisions/0091).

The loss is the mean quantile loss of what would be published: it scores the path and the band together. Naive serves
until a candidate has proven itself against it: at least 2 % less loss, no larger error of the path, and less loss in
four of five folds or a 95 % block-bootstrap interval of the *difference* that lies below zero, or a large gain (15 %)
that most folds share. Of those that have, the combination serves, or the one with the least loss where there is none.
What serves now, or else the combination, gives way only to a model that is clearly better (3 % and the same proof
against it): changing models every hour costs more than a slightly better one gains, and one that was a little better
than the mean was mostly lucky (docs/decisions/0098).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forecaster.models.candidates import COMBINATION

MARGIN: Final = 0.02
SWITCH_MARGIN: Final = 0.03
FOLDS_SHARE: Final = 0.8
LARGE: Final = 0.15
"""So much less loss needs most of the folds only: bursts fall into few of them, and waiting for proof costs more."""
NAIVE: Final = "naive"


@dataclass(frozen=True)
class CandidateScores:
    """What the rule looks at. Errors and losses are in the series' unit."""

    mae: float
    loss: float
    """Mean quantile loss."""
    fold_loss: tuple[float, ...]
    difference: Mapping[str, float]
    """By the other model's name: upper end of the 95 % interval of this loss minus that one's."""


@dataclass(frozen=True)
class ModelChoice:
    """The model that serves, and the reason in a sentence."""

    model: str
    reason: str


def choose(scores: Mapping[str, CandidateScores], incumbent: str | None = None) -> ModelChoice:
    """The rule. ``incumbent`` serves now. Raises ValueError when there is no candidate."""
    if not scores:
        raise ValueError("no model could be scored")
    if NAIVE not in scores:
        best = min(scores, key=lambda name: scores[name].loss)
        return ModelChoice(best, f"{best}: least quantile loss (naive could not be scored)")
    proven = [name for name in scores if name != NAIVE and _proven(scores, name, NAIVE, MARGIN)]
    if not proven:
        return ModelChoice(NAIVE, _why_naive(scores))
    best = min(proven, key=lambda name: scores[name].loss)
    standing = next((name for name in (incumbent, COMBINATION) if name in proven), best)
    if standing != best and not _proven(scores, best, standing, SWITCH_MARGIN):
        more = _percent(scores[best].loss, scores[standing].loss)
        lacking = "too little to change over" if standing == incumbent else "too little to be more than luck"
        why = f"{best} has {more} less loss than it, {lacking}"
        return ModelChoice(standing, f"{standing}: {_gain(scores, standing)}; {why}")
    return ModelChoice(best, f"{best}: {_gain(scores, best)}{_second(scores, proven, best)}")


def _proven(scores: Mapping[str, CandidateScores], name: str, other: str, margin: float) -> bool:
    """Whether one is better than the other beyond chance."""
    one, two = scores[name], scores[other]
    if not one.loss < two.loss or one.loss > (1 - margin) * two.loss:
        return False
    if other == NAIVE and one.mae > (1 + MARGIN) * two.mae:
        return False
    share = sum(a < b for a, b in zip(one.fold_loss, two.fold_loss, strict=True)) / max(len(one.fold_loss), 1)
    if share >= FOLDS_SHARE or one.difference.get(other, 1.0) < 0:
        return True
    return share > 0.5 and one.loss <= (1 - LARGE) * two.loss


def _gain(scores: Mapping[str, CandidateScores], name: str) -> str:
    one, naive = scores[name], scores[NAIVE]
    return (
        f"{_percent(one.loss, naive.loss)} less quantile loss and {_less(one.mae, naive.mae)} error than naive, "
        "on data later than its training"
    )


def _second(scores: Mapping[str, CandidateScores], proven: Sequence[str], best: str) -> str:
    others = sorted((name for name in proven if name != best), key=lambda name: scores[name].loss)
    if not others or not scores[best].loss > 0:
        return ""
    return f"; {others[0]} comes next with {100 * (scores[others[0]].loss / scores[best].loss - 1):.0f} % more loss"


def _why_naive(scores: Mapping[str, CandidateScores]) -> str:
    """What came nearest and what it lacked."""
    others = sorted((name for name in scores if name != NAIVE), key=lambda name: scores[name].loss)
    if not others:
        return "naive: no other model could be scored"
    best = others[0]
    one, naive = scores[best], scores[NAIVE]
    if not one.loss < naive.loss:
        return f"naive: no model has less quantile loss than repeating the last value ({best} comes nearest)"
    ratio = f"{_percent(one.loss, naive.loss)} less quantile loss"
    if one.loss > (1 - MARGIN) * naive.loss:
        lacking = f"less than the {100 * MARGIN:.0f} % asked for"
    elif one.mae > (1 + MARGIN) * naive.mae:
        lacking = f"but {_less(one.mae, naive.mae)} error"
    else:
        lacking = "but not in four of five folds, and the difference may be chance"
    return f"naive: {best} came nearest with {ratio}, {lacking}"


def _less(one: float, other: float) -> str:
    if not other > 0:
        return "the same"
    change = 100 * (one / other - 1)
    return f"{-change:.0f} % less" if change < 0 else f"{change:.0f} % more"


def _percent(one: float, other: float) -> str:
    return f"{100 * (1 - one / other):.0f} %" if other else "0 %"
