from console.views.history.usage import usage
from qos.contract.points import HostTraffic
from tests.console.samples import S, points
from tests.fakes import MemoryStore

NOW = 1_800_000_000 * S


def _store() -> MemoryStore:
    store = MemoryStore()
    store.write(points(NOW))
    return store


def test_applications_are_summed_over_the_period_most_received_first() -> None:
    totals = usage(_store(), NOW - 60 * S, NOW, "app")
    assert [(part.app, part.rx_bytes, part.tx_bytes) for part in totals.rows] == [
        ("steam", 540_000, 54_000),
        ("firefox", 240_000, 24_000),
        ("sshd", 6_000, 600),
    ]


def test_named_and_unnamed_bytes_add_up_to_the_interfaces() -> None:
    totals = usage(_store(), NOW - 60 * S, NOW, "app")
    assert sum(part.rx_bytes for part in totals.rows) + totals.unattributed_rx_bytes == totals.host_rx_bytes
    assert sum(part.tx_bytes for part in totals.rows) + totals.unattributed_tx_bytes == totals.host_tx_bytes
    assert totals.coverage is not None
    assert abs(totals.coverage - 0.9) < 0.01


def test_processes_carry_pid_and_start() -> None:
    totals = usage(_store(), NOW - 60 * S, NOW, "pid")
    document = totals.document()
    assert document["processes"][0] == {
        "pid": 101,
        "app": "steam",
        "started": "2027-01-15T07:00:00Z",
        "rx_bytes": 540_000,
        "tx_bytes": 54_000,
        "rx_packets": 5_400,
        "tx_packets": 540,
    }


def test_the_json_shape_is_the_promised_one() -> None:
    document = usage(_store(), NOW - 60 * S, NOW, "app").document()
    assert set(document) == {"start", "stop", "apps", "unattributed", "host", "coverage"}
    assert set(document["apps"][0]) == {"app", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets"}
    assert set(document["unattributed"]) == {"rx_bytes", "tx_bytes"}
    assert 0 <= document["coverage"] <= 1


def test_without_any_data_the_coverage_is_unknown_and_without_traffic_it_is_whole() -> None:
    assert usage(MemoryStore(), 0, NOW, "app").coverage is None
    idle = MemoryStore()
    zero = dict.fromkeys(("rx_bytes", "tx_bytes", "rx_drops", "tx_drops", "rx_errors", "tx_errors"), 0)
    idle.write(
        [HostTraffic(time_ns=NOW - 1, host="a", iface="e", unattributed_rx_bytes=0, unattributed_tx_bytes=0, **zero)]
    )
    assert usage(idle, 0, NOW, "app").coverage == 1.0
