"""Real packets that the shaper drops on their way in are the limited application's, and not unattributed."""

import pytest

from bench.enforcer.dropped import dropped
from tests.enforcer.rig import required


@pytest.mark.packets
def test_what_is_dropped_on_its_way_in_belongs_to_the_limited_application() -> None:
    required()
    found = dropped(6)
    assert found["dropped_down_bytes"] > 500_000
    assert found["unattributed_rx_bytes"] * 5 < found["dropped_down_bytes"]
    together = found["application_rx_bytes"] + found["unattributed_rx_bytes"]
    assert together <= found["interface_rx_bytes"] * 1.01
