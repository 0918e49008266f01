from qos.contract.documents.live import STALE_NS, Live, LiveRow

S = 10**9


def test_what_is_wrong_in_a_row_costs_that_value_and_a_row_without_a_name_that_row() -> None:
    live = Live.parse(
        {
            "time_ns": 100 * S,
            "apps": [
                {"app": "a", "rx_bps": 10.6, "tx_bps": 5},
                {"app": "b", "rx_bps": "many"},
                {"rx_bps": 1},
                None,
                {"app": "c", "rx_bps": float("nan"), "tx_bps": -3},
            ],
            "processes": [{"app": "a", "pid": 7}, {"app": "a", "pid": 8}, {"app": "b"}],
            "unattributed": {"rx_bps": 9},
        }
    )
    assert live is not None
    assert live.apps == (LiveRow("a", rx_bps=10, tx_bps=5), LiveRow("b"), LiveRow("c"))
    assert (live.pid_of("a"), live.pid_of("b")) == (7, None)
    assert (live.unattributed.rx_bps, live.unattributed.tx_bps) == (9, 0)
    assert Live.parse({"time_ns": "now"}) is None


def test_it_is_fresh_for_five_seconds_or_three_intervals() -> None:
    assert Live(100 * S, 0).fresh(100 * S + STALE_NS - 1)
    assert not Live(100 * S, 0).fresh(100 * S + STALE_NS)
    assert Live(100 * S, 0, interval_ns=10 * S).fresh(129 * S)
    assert not Live(100 * S, 0, interval_ns=10 * S).fresh(130 * S)
