"""The list of what Wine lacks names tests that exist, and each entry says why."""

import ast
from pathlib import Path

import pytest

from tests.windows.wine_lacks import WINE_LACKS, reason, under_wine

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(WINE_LACKS))
def test_every_entry_names_a_test_and_a_reason(name: str) -> None:
    file, _, function = name.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function.partition("[")[0] in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert "Wine" in WINE_LACKS[name]


def test_a_parameter_is_meant_only_where_it_is_named() -> None:
    echo = "tests/qos/system/test_echo.py::test_an_answer_has_a_round_trip_time_and_no_reason"
    assert reason(f"{echo}[::1]") is not None
    assert reason(f"{echo}[127.0.0.1]") is None
    assert (
        reason("tests\\qos\\system\\sockets\\test_table.py::test_a_socket_of_this_process_is_in_the_table[1-2]")
        is not None
    )
    assert under_wine() in (True, False)
