"""Under ``AUTOQOS_TEST_REQUIRE=all`` (CI) nothing is skipped: a skip at run time is a failure.

What can never run here, because it is another system's (``skipif`` on ``sys.platform``) or needs a server that nobody
named, is left out before the run and counted as deselected, so that it cannot be mistaken for something that passed.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.windows.wine_lacks import reason, under_wine

# How fast inputs are made says what the machine is busy with, and nothing about what is tested.
settings.register_profile("autoqos", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("autoqos")

REQUIRED = os.environ.get("AUTOQOS_TEST_REQUIRE") == "all"

if under_wine():  # ten times slower; what Windows does otherwise shows in a few examples, the rest Linux has tried
    settings.register_profile("wine", max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("wine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a ``skipif`` with a plain condition says is not for this machine; skip what Wine lacks."""
    if under_wine():
        for item in items:
            if why := reason(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=f"Wine: {why}"))
    if not REQUIRED:
        return
    elsewhere = [
        item for item in items if any(mark.args and mark.args[0] is True for mark in item.iter_markers("skipif"))
    ]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A skip is a failure where everything is required."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped under AUTOQOS_TEST_REQUIRE=all: {report.longrepr}"
    return report
