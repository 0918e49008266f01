"""The listening socket: 127.0.0.1 only, the wanted port or the next free one, never shared with another program."""

import socket
import sys
from typing import Final

from qos.contract.errors import ConfigError

HOST: Final = "127.0.0.1"
_TRIES: Final = 20


def listen(port: int) -> socket.socket:
    """A bound, listening socket on ``port`` or one of the next twenty. Raises ConfigError when all are taken.

    No SO_REUSEADDR on Windows, where it would let another program bind the same port; SO_EXCLUSIVEADDRUSE instead
    (learn.microsoft.com, "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"). On POSIX SO_REUSEADDR only allows a restart
    while old connections linger.
    """
    for candidate in range(port, min(port + _TRIES, 65536)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((HOST, candidate))
            sock.listen(64)
        except OSError:
            sock.close()
            continue
        sock.setblocking(False)
        return sock
    raise ConfigError(f"page.port: ports {port} to {port + _TRIES - 1} are all taken: choose another with --port")


def origins(port: int) -> frozenset[str]:
    """The origins of our own page."""
    return frozenset(f"http://{host}" for host in hosts(port))


def hosts(port: int) -> frozenset[str]:
    """What a browser may call us. Exactly these: a name that was rebound to 127.0.0.1 is not among them."""
    return frozenset((f"{HOST}:{port}", f"localhost:{port}"))


def url(port: int, code: str | None = None) -> str:
    """The page's address; the one-time code in the fragment, which no request line carries."""
    return f"http://{HOST}:{port}/" + (f"#code={code}" if code else "")
