"""The socket table of Windows: ``GetExtendedTcpTable`` and ``GetExtendedUdpTable``. The parse is a function of bytes.

The same functions as ``sockets_linux``. Sources: ``iphlpapi.h`` and ``tcpmib.h``/``udpmib.h`` in Microsoft's reference:
the ``*_OWNER_PID`` tables are a count and rows of 32-bit words; ports are in network order in the low 16 bits.
"""

import ctypes
import struct
from typing import Any, Final

from qos.packets.flows import SocketRow, address_of

_native: Any = ctypes
"""The names in ctypes that only exist on Windows; typed loosely so that this file is checked on Linux too."""
_AF_INET, _AF_INET6 = 2, 23
_TCP_TABLE_OWNER_PID_ALL, _UDP_TABLE_OWNER_PID = 5, 1
_INSUFFICIENT_BUFFER: Final = 122
_TCP4: Final = struct.Struct("<I4sI4sII")
"""State, local address and port, remote address and port, PID."""
_TCP6: Final = struct.Struct("<16sII16sIIII")
"""Local address, scope, port, remote address, scope, port, state, PID."""
_UDP4: Final = struct.Struct("<4sII")
_UDP6: Final = struct.Struct("<16sIII")
_LISTEN, _TIME_WAIT, _DELETE = 2, 11, 12


def parse(protocol: int, family: int, table: bytes) -> list[SocketRow]:
    """The rows of one ``MIB_*TABLE_OWNER_PID``; ``protocol`` 6 or 17, ``family`` 4 or 6. A cut-off table gives less."""
    if len(table) < 4:
        return []
    layout = {(6, 4): _TCP4, (6, 6): _TCP6, (17, 4): _UDP4, (17, 6): _UDP6}[protocol, family]
    count = min(struct.unpack_from("<I", table)[0], (len(table) - 4) // layout.size)
    rows = []
    for fields in layout.iter_unpack(table[4 : 4 + count * layout.size]):
        remote, remote_port, state = b"", 0, 0
        if protocol == 17:
            local, local_port, pid = fields[0], fields[-2], fields[-1]
        elif family == 4:
            state, local, local_port, remote, remote_port, pid = fields
        else:
            local, _, local_port, remote, _, remote_port, state, pid = fields
        if state in (_TIME_WAIT, _DELETE):
            continue
        version, local = address_of(local)
        peer = 0 if state == _LISTEN else _port(remote_port)  # a listener's remote port is left over memory
        rows.append(
            SocketRow(protocol, version, local, _port(local_port), pid, address_of(remote)[1] if peer else b"", peer)
        )
    return rows


def _port(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8 & 0xFF


def sockets() -> list[SocketRow]:
    """Every TCP and UDP socket with the process that holds it. Needs no elevation. Raises OSError."""
    library = _native.windll.iphlpapi
    rows = []
    for protocol, function, table in (
        (6, library.GetExtendedTcpTable, _TCP_TABLE_OWNER_PID_ALL),
        (17, library.GetExtendedUdpTable, _UDP_TABLE_OWNER_PID),
    ):
        for family, number in ((4, _AF_INET), (6, _AF_INET6)):
            rows += parse(protocol, family, _table(function, number, table))
    return rows


def _table(function: Any, family: int, table: int) -> bytes:
    """The raw table: asked for its size first, and again when it grew meanwhile."""
    size = ctypes.c_uint32(1 << 16)
    for _ in range(8):
        buffer = ctypes.create_string_buffer(size.value)
        code = function(buffer, ctypes.byref(size), 0, family, table, 0)
        if code == 0:
            return buffer.raw[: size.value]
        if code != _INSUFFICIENT_BUFFER:
            raise OSError(code, f"the socket table cannot be read (Windows error {code})")
        size.value += 4096
    raise OSError(_INSUFFICIENT_BUFFER, "the socket table grows faster than it can be read")


def inherited_sockets() -> bool:
    """Was a process started that holds sockets already? Windows names a socket's creator, whoever uses it: no."""
    return False


def blind_to() -> str | None:
    """What this process may not see of the table: nothing."""
    return None
