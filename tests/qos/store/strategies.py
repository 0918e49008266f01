"""Hypothesis strategies for points, and the comparison that allows for the rounding of float sums."""

import math
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from qos.contract.points import SPECS, TYPES, Point
from qos.store import Columns

S = 10**9
HOUR = 3600 * S
DAY = 24 * HOUR
START = 1_763_690_400 * S
"""A round hour in November 2025."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def values(kind: str) -> st.SearchStrategy[Any]:
    if kind == "int":
        return st.integers(-50, 10**6) | st.integers(-(2**63), 2**63 - 1)
    if kind == "float":
        return st.floats(-1e6, 1e6, allow_nan=False)
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def points(draw: st.DrawFn, names: tuple[str, ...], times: st.SearchStrategy[int], *, wild: bool = False) -> Point:
    """A point of one of the measurements. Tags come from few values so that series repeat; ``wild`` allows any."""
    spec = SPECS[draw(st.sampled_from(names))]
    row: dict[str, Any] = {tag: draw(TEXTS if wild else st.sampled_from(("a", "b", "ü"))) for tag in spec.tags}
    for f in spec.fields:
        calm = st.integers(0, 1000) if f.kind == "int" else values(f.kind)
        value = values(f.kind) if wild else calm
        row[f.name] = draw(st.none() | value if f.optional else value)
    try:
        return TYPES[spec.name](time_ns=draw(times), **row)
    except ValueError:
        reject()  # some measurements want one of several optional fields


def same(got: Columns, expected: Columns) -> None:
    """Equal columns; floats may differ by the rounding of another order of adding."""
    assert list(got) == list(expected)
    for name, column in expected.items():
        assert len(got[name]) == len(column), name
        for at, (left, right) in enumerate(zip(got[name], column, strict=True)):
            if isinstance(left, float) and isinstance(right, int | float):
                assert math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-6), (name, at, left, right)
            else:
                assert left == right, (name, at)
