"""The network that this machine is in: the default route's interface, gateway and counters. Nothing of applications."""

from qos.system.network.default_route import LineBytes, Network, line_bytes, network

__all__ = ["LineBytes", "Network", "line_bytes", "network"]
