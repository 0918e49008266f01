from collector.interfaces.listing_psutil import read_interfaces


def test_psutils_interfaces_have_natures_and_counters() -> None:
    found = read_interfaces()
    assert found
    for i in found:
        assert i.header_bytes == (0 if i.nature == "tunnel" else 14)
        assert min(i.counters.rx_bytes, i.counters.tx_bytes, i.counters.rx_drops, i.counters.tx_drops) >= 0
    assert all(i.nature == "loopback" for i in found if i.name in ("lo", "lo0", "Loopback Pseudo-Interface 1"))
