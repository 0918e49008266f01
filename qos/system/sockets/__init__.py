"""The system's socket tables: who holds which local port, one file per system. Linux: ``sock_diag`` and ``/proc``."""

from qos.system.sockets.table import SocketRow, blind_to, inherited_sockets, sockets

__all__ = ["SocketRow", "blind_to", "inherited_sockets", "sockets"]
