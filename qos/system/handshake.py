"""A round trip without any right: the time that a TCP handshake takes. One connection, closed at once.

A refusal (RST) is an answer too. Windows repeats a refused SYN for about two seconds: there only an open port
counts.
"""

import errno
import socket
import sys
from typing import Final

from qos.system import clock
from qos.system.echo import EchoReply, reason_of

PORTS: Final = (443, 53, 80)
_REFUSED: Final = frozenset({errno.ECONNREFUSED, 10061})


def handshake(address: str, timeout_ns: int, port: int = PORTS[0]) -> EchoReply:
    """Connect and close; blocks for up to ``timeout_ns``. Never raises for what the network or the system says."""
    try:
        entry = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(entry[0], socket.SOCK_STREAM) as made:
            made.settimeout(timeout_ns / 1e9)
            started_ns = clock.monotonic_ns()
            code = made.connect_ex(entry[4])
            elapsed_ns = clock.monotonic_ns() - started_ns
    except TimeoutError:
        return EchoReply(None, "timeout", "tcp")
    except OSError as error:
        return EchoReply(None, reason_of(error), "tcp")
    if code == 0 or (code in _REFUSED and sys.platform != "win32"):
        return EchoReply(max(1, elapsed_ns), "", "tcp")
    if code in (errno.EAGAIN, errno.EINPROGRESS, errno.ETIMEDOUT, 10035, 10060):
        return EchoReply(None, "timeout", "tcp")
    return EchoReply(None, "timeout" if code in _REFUSED else reason_of(OSError(code, "")), "tcp")
