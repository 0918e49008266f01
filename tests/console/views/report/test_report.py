from hypothesis import given, settings
from hypothesis import strategies as st

from console.views.report.comparison import MOST, compare, period_of, step_ns
from qos.contract.config import parse_config
from qos.contract.points import AppTraffic
from tests.console.samples import S, points
from tests.fakes import MemoryStore

NOW = 1_800_000_000 * S


def _store() -> MemoryStore:
    store = MemoryStore()
    store.write(points(NOW))
    return store


def test_without_a_choice_the_busiest_applications_are_drawn() -> None:
    compared = compare(_store(), parse_config(""), period_of(NOW - 60 * S, NOW, S))
    assert compared.apps == ("steam", "firefox", "sshd")


def test_the_settings_choose_and_a_named_application_wins_over_them() -> None:
    config = parse_config("collector: {resources_of: ['F*']}")
    window = period_of(NOW - 60 * S, NOW, S)
    assert compare(_store(), config, window).apps == ("firefox",)
    assert compare(_store(), config, window, ["s*"]).apps == ("steam", "sshd")


def test_rates_are_bits_per_second_of_the_window() -> None:
    traffic = compare(_store(), parse_config(""), period_of(NOW - 60 * S, NOW, S)).traffic
    steam = traffic.loc[traffic["app"] == "steam"]
    assert set(steam["down_bps"]) == {72_000}


def test_more_applications_than_can_be_told_apart_are_left_out() -> None:
    store = MemoryStore()
    zero = {"tx_bytes": 0, "rx_packets": 0, "tx_packets": 0, "flows": 1, "processes": 1, "priority": 3}
    store.write([AppTraffic(time_ns=NOW - 1, host="h", app=f"a{i:02}", rx_bytes=i, **zero) for i in range(20)])
    apps = compare(store, parse_config(""), period_of(NOW - 60 * S, NOW, S)).apps
    assert len(apps) == MOST
    assert apps[0] == "a19"


@given(st.integers(min_value=1, max_value=365 * 86400), st.sampled_from([1, 2, 10, 60]))
@settings(deadline=None)
def test_a_picture_has_at_most_a_thousand_points_and_never_finer_than_measured(seconds: int, interval: int) -> None:
    step = step_ns(NOW - seconds * S, NOW, interval * S)
    assert step >= interval * S
    assert seconds * S / step <= 1000
