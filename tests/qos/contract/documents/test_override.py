import pytest

from qos.contract.documents.override import Override


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, None),
        ([1], None),
        ({}, Override()),
        ({"priority": 3, "down_bps": 5, "up_bps": None, "until_ns": 7}, Override(3, 5, None, 7)),
        ({"down_bps": 5, "until_ns": "2026-01-01"}, None),
        ({"down_bps": 5, "until_ns": 7.5}, None),
        ({"down_bps": 5, "until_ns": True}, None),
        ({"priority": 9, "down_bps": 5}, None),
        ({"down_bps": -1}, None),
        ({"down_bps": 5, "up_bps": "2"}, None),
    ],
)
def test_a_document_with_one_field_that_is_wrong_limits_nobody(document: object, expected: Override | None) -> None:
    assert Override.parse(document) == expected


def test_when_their_time_is_over_the_limits_end_and_the_priority_stays() -> None:
    override = Override(4, 5, None, 10, 2)
    assert override.at(9) == override
    assert override.at(10) == Override(4, set_ns=2)
    assert Override(down_bps=5, until_ns=10).at(10).empty
