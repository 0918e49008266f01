import pytest

from collector.interfaces.counters import NOTHING
from collector.interfaces.selection import Interface, Nature, header_of, nature_by_name, nature_linux, select

ETHER, LOOPBACK, NONE = 1, 772, 0xFFFE


@pytest.mark.parametrize(
    ("link_type", "kind", "master", "expected"),
    [
        (LOOPBACK, "", False, "loopback"),
        (ETHER, "", False, "physical"),
        (ETHER, "", True, "copy"),  # a bridge's port or a bond's member
        (ETHER, "bond", False, "physical"),
        (ETHER, "bond", True, "physical"),
        (ETHER, "bridge", False, "copy"),
        (ETHER, "veth", True, "copy"),
        (ETHER, "veth", False, "virtual"),
        (ETHER, "vlan", False, "virtual"),
        (ETHER, "ifb", False, "copy"),
        (NONE, "wireguard", False, "tunnel"),
        (NONE, "tun", False, "tunnel"),
        (ETHER, "tun", False, "tunnel"),
        (512, "", False, "tunnel"),  # PPP
    ],
)
def test_linux_tells_what_an_interface_is(link_type: int, kind: str, master: bool, expected: str) -> None:
    assert nature_linux(link_type=link_type, kind=kind, master=master, device=not kind) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ethernet", "physical"),
        ("Wi-Fi", "physical"),
        ("Loopback Pseudo-Interface 1", "loopback"),
        ("vEthernet (Default Switch)", "copy"),
        ("NordLynx", "tunnel"),
        ("en0", "physical"),
        ("utun3", "tunnel"),
        ("lo0", "loopback"),
    ],
)
def test_elsewhere_the_name_tells(name: str, expected: str) -> None:
    assert nature_by_name(name) == expected


def test_headers_are_those_of_the_link_type() -> None:
    assert [header_of(t) for t in (ETHER, LOOPBACK, NONE, 512)] == [14, 0, 0, 0]


def make(name: str, nature: Nature) -> Interface:
    return Interface(name, 1, nature, 14, NOTHING)


HOST = [
    make("lo", "loopback"),
    make("eth0", "physical"),
    make("docker0", "copy"),
    make("veth12", "copy"),
    make("cali9", "virtual"),
    make("wg0", "tunnel"),
]
CONTAINER = [make("lo", "loopback"), make("eth0", "virtual"), make("tunl0", "tunnel")]


@pytest.mark.parametrize(
    ("interfaces", "globs", "expected"),
    [
        (HOST, ["*"], ["eth0", "wg0"]),
        (HOST, ["eth*"], ["eth0"]),
        (HOST, ["docker0"], ["docker0"]),  # named without wildcards: the user knows better
        (HOST, ["docker*"], []),
        (HOST, ["lo", "*"], ["eth0", "wg0"]),
        (HOST, ["cali9", "eth0"], ["eth0", "cali9"]),
        (CONTAINER, ["*"], ["eth0", "tunl0"]),
        ([], ["*"], []),
    ],
)
def test_every_byte_passes_the_counted_interfaces_once(
    interfaces: list[Interface], globs: list[str], expected: list[str]
) -> None:
    assert [i.name for i in select(interfaces, globs)] == expected


@pytest.mark.parametrize("name", ["autoqosd7", "autoqosu4194304", "autoqosv7"])
def test_the_enforcers_own_devices_are_in_no_sum(name: str) -> None:
    inside = [make("eth0", "virtual"), make(name, "virtual")]
    assert select(inside, ["*"]) == (inside[0],)
    assert select(inside, [name]) == ()
