import pytest

from qos.contract.documents.pause import Pause


@pytest.mark.parametrize(
    ("document", "holds"),
    [
        (None, False),
        ({}, True),
        ({"until_ns": None}, True),
        ({"until_ns": 6}, True),
        ({"until_ns": 5}, False),
        ({"until_ns": "soon"}, False),
        ([], False),
    ],
)
def test_the_pause(document: object, holds: bool) -> None:
    pause = Pause.parse(document)
    assert (pause is not None and pause.holds(5)) is holds
