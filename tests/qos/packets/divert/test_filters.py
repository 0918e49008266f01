"""Filter texts: accepted by WinDivert's own compiler, within its limits, and matching exactly the ports they name."""

import ctypes
import itertools
import struct
import sys
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos.packets import divert
from qos.packets.divert.filters import LINUX_EXACT, MAX_TESTS, NEVER, PortFilter, cost, merge, port_filter, wide_filter
from tests.require import missing

PORTS = st.sets(st.integers(1, 65535), min_size=1, max_size=400) | st.builds(
    lambda start, steps: {min(65535, start + sum(steps[:i])) for i in range(len(steps))},
    st.integers(1024, 60000),
    st.lists(st.integers(1, 4), min_size=1, max_size=300),
)
TRANSPORT: Any = st.sampled_from(["tcp", "udp"])
PLATFORM = st.sampled_from(["linux", "win32"])


@pytest.fixture(autouse=True, scope="module")
def compiler() -> None:
    try:
        divert.check_filter("true")
    except divert.PyDivertMissing as error:
        missing(str(error))


def made(protocol: Literal["tcp", "udp"], ports: set[int], platform: str) -> PortFilter | None:
    try:
        return port_filter(protocol, ports, platform=platform)
    except ValueError:
        assert ports <= NEVER[protocol]
        return None


@settings(deadline=None, max_examples=150)
@given(TRANSPORT, PORTS, PLATFORM)
def test_every_port_filter_compiles_within_the_limits(
    protocol: Literal["tcp", "udp"], ports: set[int], platform: str
) -> None:
    found = made(protocol, ports, platform)
    if found is None:
        return
    divert.check_filter(found.text)
    wanted = ports - NEVER[protocol]
    covered = {port for low, high in found.ranges for port in range(low, high + 1)}
    assert wanted <= covered
    assert found.foreign == len(covered - wanted)
    assert found.tests <= MAX_TESTS
    assert found.tests == found.text.count("localPort")
    assert len(found.ranges) <= (LINUX_EXACT if platform == "linux" else MAX_TESTS)
    assert list(found.ranges) == sorted(found.ranges)
    assert found.text.startswith(f"{protocol} and !loopback")


@settings(deadline=None)
@given(PORTS, st.integers(2, 60), st.integers(1, 40))
def test_no_other_set_of_joints_would_do_with_less(ports: set[int], tests: int, items: int) -> None:
    wanted = sorted(ports)
    ranges = merge(wanted, tests, items)
    assert len(ranges) <= items
    assert cost(ranges) <= tests
    inner = sum(high - low + 1 for low, high in ranges) - len(wanted)
    gaps = sorted((b - a - 1 for a, b in itertools.pairwise(wanted)), reverse=True)
    # with so many ranges, the largest gaps are the ones left out
    assert inner == sum(gaps[len(ranges) - 1 :])


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 65, 120, 127, 209, 210, 239, 240, 241, 256, 257, 2000])
@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_counts_around_the_limits(count: int, platform: str) -> None:
    found = port_filter("tcp", range(1024, 1024 + 7 * count, 7), platform=platform)
    divert.check_filter(found.text)
    assert (found.foreign == 0) == (count <= (32 if platform == "linux" else 209))


def test_neighbouring_ports_become_a_range_without_strangers() -> None:
    found = port_filter("udp", range(50_000, 51_000), platform="linux")
    assert found.text == "udp and !loopback and ((localPort >= 50000 and localPort <= 50999))"
    assert (found.foreign, found.tests, 50_500 in found, 51_000 in found) == (0, 2, True, False)


def test_name_service_address_assignment_and_time_are_never_diverted() -> None:
    found = port_filter("udp", [53, 67, 68, 123, 546, 547, 1900, 5353, 6000], platform="linux")
    assert found.ranges == ((6000, 6000),)
    with pytest.raises(ValueError, match="no port to divert for udp"):
        port_filter("udp", [53, 5353])


@pytest.mark.parametrize("ports", [[], [0], [65536], [-1, 80]])
def test_what_is_no_port_is_refused(ports: list[int]) -> None:
    with pytest.raises(ValueError, match="port"):
        port_filter("tcp", ports)


@pytest.mark.parametrize("platform", ["linux", "win32"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_wide_and_sniffing_filters_compile(protocol: Literal["tcp", "udp"], platform: str) -> None:
    divert.check_filter(wide_filter(protocol, platform=platform))
    divert.check_filter(divert.sniff_filter())


def test_a_bad_filter_is_refused_in_the_compilers_words_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"bad token at character 8: 'colour == 3'"):
        divert.check_filter("tcp and colour == 3")
    with pytest.raises(ValueError, match="bad token for layer"):
        divert.check_filter("processId == 7")
    divert.check_filter("processId == 7", "flow")
    divert.check_filter("event == CONNECT", "socket")


def matches(text: str, protocol: str, port: int, outbound: bool, to: bytes = b"\x0a\0\0\2") -> bool:
    """What WinDivert's own evaluator says about a packet of that local port."""
    from pydivert.bpf import WinDivertAddress, libebpfdivert

    ports = struct.pack(">HH", *((port, 9) if outbound else (9, port)))
    body = ports + (struct.pack(">IIBBHHH", 1, 1, 0x50, 16, 9, 0, 0) if protocol == "tcp" else struct.pack(">HH", 8, 0))
    ends = b"\x0a\0\0\1" + to if outbound else to + b"\x0a\0\0\1"
    packet = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 6 if protocol == "tcp" else 17, 0) + ends + body
    )
    address = WinDivertAddress(Outbound=int(outbound))
    buffer = ctypes.create_string_buffer(packet, len(packet))
    return bool(libebpfdivert.ebpfdivert_helper_eval_filter(text.encode(), buffer, len(packet), ctypes.byref(address)))


@pytest.mark.skipif(sys.platform != "linux", reason="the Linux library carries the evaluator in a form ctypes reaches")
@settings(deadline=None, max_examples=100)
@given(TRANSPORT, PORTS, PLATFORM, st.booleans(), st.data())
def test_a_filter_lets_through_its_ranges_and_nothing_else(
    protocol: Literal["tcp", "udp"], ports: set[int], platform: str, outbound: bool, data: st.DataObject
) -> None:
    found = made(protocol, ports, platform)
    if found is None:
        return
    edges = {edge + step for low, high in found.ranges for edge in (low, high) for step in (-1, 0, 1)}
    for port in data.draw(st.lists(st.sampled_from(sorted(edges & set(range(1, 65536)))), max_size=12)):
        assert matches(found.text, protocol, port, outbound) == (port in found)
        assert not matches(found.text, "udp" if protocol == "tcp" else "tcp", port, outbound)


@pytest.mark.skipif(sys.platform != "linux", reason="the Linux library carries the evaluator in a form ctypes reaches")
def test_on_windows_multicast_and_broadcast_are_left_alone() -> None:
    text = port_filter("udp", [6000], platform="win32").text
    assert matches(text, "udp", 6000, True)
    assert not matches(text, "udp", 6000, True, to=b"\xff\xff\xff\xff")
    assert not matches(text, "udp", 6000, True, to=b"\xe0\0\0\xfb")
