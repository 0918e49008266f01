"""What bench/lag.py makes of its acts: each one's incidents and truth, and the figures over all of them."""

import collections
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.lag_scenarios import EXTERNAL, Truth

STRAY = "between scenarios"


@dataclass
class Result:
    """One act of one scenario and what was made of it."""

    lab: int
    scenario: str
    truth: Truth
    began: float
    ended: float
    onset: float | None
    incidents: list[dict[str, Any]] = field(default_factory=list)
    shown: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def void(self) -> bool:
        return bool(self.truth.causes) and not self.truth.optional and self.onset is None and not self.incidents

    @property
    def found(self) -> str:
        if not self.incidents:
            return "none"
        return str(max(self.incidents, key=lambda i: i["duration_s"])["cause"])

    @property
    def cause_right(self) -> bool:
        if not self.truth.causes:
            return not self.incidents
        if not self.incidents:
            return self.truth.optional
        return all(incident["cause"] in self.truth.causes for incident in self.incidents)

    @property
    def app_right(self) -> bool:
        return bool(self.incidents) and all(incident["app"] in self.truth.apps for incident in self.incidents)

    def report(self) -> dict[str, Any]:
        onset = min((i["onset"] for i in self.incidents), default=None)
        first = min((at for at, _, _ in self.shown), default=None)
        return {
            "lab": self.lab,
            "scenario": self.scenario,
            "truth": sorted(self.truth.causes) or ["quiet"],
            "apps": sorted(self.truth.apps),
            "found": [
                {
                    key: i[key]
                    for key in ("cause", "app", "confidence", "extra_ms", "loss_ratio", "duration_s", "evidence")
                }
                | {"at_s": round(i["onset"] - self.began, 2)}
                for i in self.incidents
            ],
            "right": self.cause_right and (not self.truth.apps or self.app_right),
            "void": self.void,
            "follows": self.truth.at_once and "own_limit" not in self.truth.causes,
            "true_onset_s": None if self.onset is None else round(self.onset - self.began, 2),
            "onset_error_s": None if onset is None or self.onset is None else round(onset - self.onset, 2),
            "reported_after_s": None if first is None or self.onset is None else round(first - self.onset, 2),
            "first_shown": self.shown[0][1:] if self.shown else None,
        }


def assign(
    number: int, results: list[Result], incidents: list[dict[str, Any]], seen: list[tuple[float, float, str, str]]
) -> list[Result]:
    """Each incident to the act that it began in; those of no act are acts in which nothing was wrong."""

    def act_of(onset: float) -> Result | None:
        begun = [result for result in results if result.began - 2 <= onset]
        last = max(begun, key=lambda result: result.began, default=None)
        return last if last is not None and onset <= last.ended + 4 else None

    for result in results:
        result.incidents = [i for i in incidents if act_of(i["onset"]) is result]
        result.shown = [(at, cause, app) for at, onset, cause, app in seen if act_of(onset) is result]
    claimed = {i["time_ns"] for result in results for i in result.incidents}
    first = min((r.began for r in results), default=0)
    return results + [
        Result(number, STRAY, Truth(frozenset()), i["onset"], i["onset"], None, [i])
        for i in incidents
        if i["time_ns"] not in claimed and i["onset"] > first
    ]


def onset_of(records: list[list[tuple[float, float | None]]], result: Result) -> float | None:
    """When dense pings first show lag: three of five late by 20 ms (or lost), to two targets, or to the one meant."""
    needed, onsets = 1 if "target" in result.truth.causes else 2, []
    for record in records:
        before = [rtt for at, rtt in record if result.began - 7 < at < result.began and rtt is not None]
        if len(before) < 10:
            continue
        ordered = sorted(before)
        usual, top = median(before), ordered[len(ordered) * 95 // 100]
        bar = max(usual + 20, usual + 2 * (top - usual), usual * 1.25)
        during = [(at, rtt is None or rtt > bar) for at, rtt in record if result.began - 0.3 <= at <= result.ended]
        for at in range(len(during) - 4):
            if during[at][1] and sum(bad for _, bad in during[at : at + 5]) >= 3:
                onsets.append(during[at][0])
                break
    return sorted(onsets)[needed - 1] if len(onsets) >= needed else None


def summary(results: list[Result]) -> dict[str, Any]:
    counted = [r for r in results if not r.void]
    own = [r for r in counted if r.truth.apps]
    outside = [r for r in counted if r.truth.causes and not r.truth.apps]
    quiet = [r for r in counted if not r.truth.causes]
    matrix: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for r in counted:
        truth = "others" if r.truth.causes == EXTERNAL else "/".join(sorted(r.truth.causes)) or "quiet"
        found = "others" if r.found in EXTERNAL else r.found
        matrix[truth][found] += 1
    reports = [r.report() for r in counted]
    steps = [
        r
        for r in reports
        if r["onset_error_s"] is not None and "lossy" not in r["scenario"] and "drops" not in r["scenario"]
    ]
    high = [
        (i["cause"] in r.truth.causes and (not r.truth.apps or i["app"] in r.truth.apps))
        for r in counted
        for i in r.incidents
        if i["confidence"] >= 0.85
    ]

    def share(values: list[bool]) -> float | None:
        return round(sum(values) / len(values), 4) if values else None

    return {
        "acts": len(results),
        "void": sum(r.void for r in results),
        "right_cause": share([r.cause_right for r in counted]),
        "right_app_of_own": share([r.app_right for r in own]),
        "innocents_named_in_external": sum(any(i["app"] for i in r.incidents) for r in outside),
        "innocents_ever_shown_in_external": sum(any(app for _, _, app in r.shown) for r in outside),
        "incidents_in_quiet": sum(len(r.incidents) for r in quiet),
        "acts_in_quiet_with_lag_shown": sum(bool(r.shown) for r in quiet),
        "start_within_2s": share([abs(r["onset_error_s"]) <= 2 for r in steps]),
        "reported_within_3s": share([r["reported_after_s"] is not None and r["reported_after_s"] <= 3 for r in steps]),
        "reported_within_3s_where_it_was_calm_before": share(
            [r["reported_after_s"] is not None and r["reported_after_s"] <= 3 for r in steps if not r["follows"]]
        ),
        "reported_after_s_median": median(
            [r["reported_after_s"] for r in steps if r["reported_after_s"] is not None] or [0]
        ),
        "reported_after_s_worst": max(
            [r["reported_after_s"] for r in steps if r["reported_after_s"] is not None], default=None
        ),
        "high_confidence_right": [sum(high), len(high)],
        "matrix": {truth: dict(found) for truth, found in sorted(matrix.items())},
        "wrong": [r for r in reports if not r["right"]],
        "slow": [r for r in steps if abs(r["onset_error_s"]) > 2 or (r["reported_after_s"] or 9) > 3],
    }
