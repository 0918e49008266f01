"""Which candidates are trained again in this round: what a training costs against what it may gain. Pure.

Cheap models are fitted every round. ETS and trees take a second or two: every few hours while they serve, once a day
otherwise. A network takes a minute: once a day where it serves or comes near, once a week where it does not, and only
in the networks' own job (docs/decisions/0092). Between trainings a model goes on predicting, so it is judged all the
time.
"""

from typing import Final

from forecaster.models.candidates import cost_of

HOUR_NS: Final = 3600 * 10**9
SLACK: Final = 0.9
"""Of an interval: a round that begins a little early still counts."""
NEAR: Final = 1.1
"""A network with at most so much of the served model's loss might win."""
INTERVALS_NS: Final = {
    ("ets", True): 2 * HOUR_NS,
    ("ets", False): 24 * HOUR_NS,
    ("lightgbm", True): 6 * HOUR_NS,
    ("lightgbm", False): 24 * HOUR_NS,
}


def is_due(name: str, *, age_ns: int, serves: bool, loss_ratio: float, networks: bool) -> bool:
    """Whether the candidate is trained again. ``age_ns``: since its last training; ``networks``: this is their job."""
    cost = cost_of(name)
    if cost == "cheap":
        return True
    if cost == "moderate":
        return age_ns >= SLACK * INTERVALS_NS[name, serves]
    if not networks:
        return False
    return age_ns >= SLACK * HOUR_NS * (24 if serves or loss_ratio <= NEAR else 7 * 24)
