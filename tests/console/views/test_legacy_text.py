"""Every sign that the program draws with has a letter for code pages that do not have it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.views.lag.drawing import _PARTS
from console.views.legacy_text import ERRORS
from forecaster.serving.show import SPARK

ROOT = Path(__file__).parents[3]
OUR_OWN = ("qos", "collector", "enforcer", "forecaster", "console")


def signs(text: str) -> Iterator[str]:
    """Printable signs outside ASCII in a module's strings, its docstrings left out; ``�`` is a ``?`` already."""
    tree = ast.parse(text)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from (sign for sign in node.value if not sign.isascii() and sign.isprintable() and sign != "�")


def test_every_sign_that_is_drawn_has_a_letter() -> None:
    drawn = {
        sign for part in OUR_OWN for file in (ROOT / part).rglob("*.py") for sign in signs(file.read_text("utf-8"))
    }
    assert {"▼", "▁", "█", "–"} <= drawn, "else this reads the files wrongly"
    assert sorted(sign for sign in drawn if b"?" in sign.encode("ascii", ERRORS)) == []


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "cp1252", "cp1251", "cp932", "ascii"])
def test_heights_of_a_drawing_stay_apart(encoding: str) -> None:
    for heights in (SPARK, _PARTS):
        written = [height.encode(encoding, ERRORS) for height in heights]
        assert b"?" not in written
        assert len(set(written)) == len(heights)
