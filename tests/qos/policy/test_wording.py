import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.contract.reason import Cause, Reason, RuleReference, Subject
from qos.policy.wording import sentence

M = 1_000_000
RULE = RuleReference(2, "steam*", "sat,sun")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            Reason(Subject.CATEGORY, Cause.RULE, name="gaming", rule=RULE),
            "category gaming: rule apps[2] (steam*, sat,sun)",
        ),
        (Reason(Subject.CATEGORY, Cause.CLASSIFICATION, name="calls"), "category calls: shipped classification"),
        (Reason(Subject.PRIORITY, Cause.CATEGORY, 1, name="calls"), "priority 1: category calls"),
        (Reason(Subject.PRIORITY, Cause.DEFAULT, 3), "priority 3: default_level"),
        (Reason(Subject.DOWN, Cause.HAND, 2 * M), "down at most 2.0 Mbit/s: set by hand"),
        (
            Reason(Subject.DOWN, Cause.LINK_SHARE, 2 * M, level=4, level_name="low", of_bps=20 * M),
            "down at most 2.0 Mbit/s: share of level 4 (low) in link.down 20.0 Mbit/s",
        ),
        (
            Reason(Subject.UP, Cause.CEILING_SHARE, M, level=5, level_name="background", of_bps=3 * M),
            "up at most 1.0 Mbit/s: share of the ceiling 3.0 Mbit/s of level 5 (background)",
        ),
        (
            Reason(Subject.UP, Cause.LATENCY_SHARE, M, of_bps=3 * M),
            "up at most 1.0 Mbit/s: its share of what latency allows (3.0 Mbit/s)",
        ),
        (Reason(Subject.UP, Cause.LEAST, 64_000), "up 64.0 kbit/s: raised, so that connections survive"),
        (Reason(Subject.FLOOR, Cause.RULE, M, rule=RuleReference(0, "x")), "floor 1.0 Mbit/s: rule apps[0] (x)"),
    ],
)
def test_reasons_read_as_sentences(reason: Reason, expected: str) -> None:
    assert sentence(reason) == expected


@given(st.builds(Reason, st.sampled_from(Subject), st.sampled_from(Cause)))
def test_every_reason_has_words_also_where_figures_are_missing(reason: Reason) -> None:
    assert ": " in sentence(reason)
