"""The gateway on the way to an address: the first router behind this computer, and the interface that leads there.

One file per system, chosen once. The system's own route lookup answers, so metrics, VPNs and policy routing are
followed without knowing of them; it costs some microseconds and is asked again and again to notice another network.
"""

import sys
from dataclasses import dataclass

if sys.platform == "win32":
    from qos.system.network.gateway_windows import route_to
elif sys.platform == "linux":
    from qos.system.network.gateway_linux import route_to
else:

    def route_to(address: str) -> tuple[str, int] | None:
        """Not known here."""
        return None


@dataclass(frozen=True, slots=True)
class Gateway:
    """``address`` (an IPv6 link-local one names its interface) and the interface's ``index``."""

    address: str
    index: int


def gateway_to(address: str) -> Gateway | None:
    """The gateway towards an IPv4 or IPv6 address; None when there is no route, or it is on this very network."""
    try:
        found = route_to(address)
    except (OSError, ValueError):
        return None
    return Gateway(*found) if found is not None else None
