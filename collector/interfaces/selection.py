"""Which interfaces are counted, and how many bytes of each packet are the link layer's. Pure.

Every byte that an application moves must pass the counted interfaces exactly once, or coverage means nothing:

- loopback is left out;
- what shows the packets of another interface again is left out: bridges and their ports, members of a bond or team,
  IFBs, dummies, Hyper-V's virtual switch ports; the enforcer's own devices above all;
- a veth, VLAN, macvlan or other virtual Ethernet is left out beside a physical interface (its traffic passes that one
  as well) but is *the* interface inside a container or namespace;
- tunnels count beside the interface that carries them: an application's packet passes the tunnel, and the VPN's own
  packet around it passes the physical interface as traffic of the VPN.

An interface that ``collector.interfaces`` names without wildcards is always counted: the user knows better.
"""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from collector.interfaces.counters import InterfaceCounters

Nature = Literal["loopback", "physical", "virtual", "tunnel", "copy"]
"""``virtual``: the only way out of a container; ``copy``: shows another interface's packets again."""

ETHERNET_HEADER: Final = 14
ARPHRD_ETHER: Final = 1
ARPHRD_LOOPBACK: Final = 772
_LINK_HEADERS: Final = {ARPHRD_ETHER: ETHERNET_HEADER, 32: 4}  # 32: InfiniBand, IPoIB's header (RFC 4391)
_COPIES: Final = frozenset({"bridge", "ifb", "dummy", "nlmon", "vrf"})
_UPPERS: Final = frozenset({"bond", "team"})
_TUNNELS: Final = frozenset(
    {"tun", "wireguard", "ppp", "ipip", "sit", "gre", "gretap", "ip6tnl", "ip6gre", "ip6gretap", "vti", "vti6", "xfrm",
     "vxlan", "geneve", "gtp", "l2tp", "ipsec", "amneziawg"}
)  # fmt: skip

_ENFORCERS: Final = "autoqos"
"""How the names of the devices begin through which the enforcer sends limited packets (docs/decisions/0110)."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface as the system shows it, with its counters."""

    name: str
    index: int
    nature: Nature
    header_bytes: int
    counters: InterfaceCounters


def nature_linux(*, link_type: int, kind: str, master: bool, device: bool) -> Nature:
    """From rtnetlink: ARPHRD type, ``IFLA_INFO_KIND``, whether it has a master, whether hardware is behind it."""
    if link_type == ARPHRD_LOOPBACK:
        return "loopback"
    if kind in _COPIES or (master and kind not in _UPPERS):
        return "copy"
    if kind in _TUNNELS or link_type not in _LINK_HEADERS:
        return "tunnel"
    if kind in _UPPERS or device or not kind:
        return "physical"
    return "virtual"


def nature_by_name(name: str) -> Nature:
    """The same from a name alone, where the system tells no more (Windows, macOS)."""
    lower = name.lower()
    if lower.startswith("loopback") or lower in ("lo", "lo0"):
        return "loopback"
    if lower.startswith(("vethernet", "bridge", "awdl", "llw", "anpi")) or "wfp" in lower or "npcap" in lower:
        return "copy"
    if any(
        word in lower for word in ("wireguard", "tunnel", "openvpn", "nordlynx", "tailscale", "utun", "wintun", "ppp")
    ):
        return "tunnel"
    return "physical"


def header_of(link_type: int) -> int:
    """Bytes of link-layer header that the counters of an interface of that ARPHRD type hold per packet."""
    return _LINK_HEADERS.get(link_type, 0)


def select(interfaces: Iterable[Interface], globs: Sequence[str]) -> tuple[Interface, ...]:
    """The interfaces that are counted, by the rules on top."""
    found = [i for i in interfaces if i.nature != "loopback" and not i.name.startswith(_ENFORCERS)]
    wired = any(i.nature == "physical" for i in found)
    chosen = []
    for i in found:
        named = i.name in globs
        seen_twice = i.nature == "copy" or (i.nature == "virtual" and wired)
        if named or (not seen_twice and any(fnmatch.fnmatchcase(i.name, glob) for glob in globs)):
            chosen.append(i)
    return tuple(chosen)
