"""The system's socket table: which process holds which local port now. One file per system, chosen once.

Read it after the event handles are open, so that nothing falls between (``qos.packets.flows``).
"""

import sys

from qos.packets.flows import SocketRow

if sys.platform == "win32":
    from qos.system.sockets.table_windows import blind_to, inherited_sockets, sockets
elif sys.platform == "linux":
    from qos.system.sockets.table_linux import blind_to, inherited_sockets, sockets
else:
    from qos.system.sockets.table_psutil import blind_to, inherited_sockets, sockets

__all__ = ["SocketRow", "blind_to", "inherited_sockets", "sockets"]
