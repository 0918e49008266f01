"""ICMP echo: the one place that imports ping3. One request, one answer or the reason why there is none.

On Linux the kernel itself says when the answer came (``echo_linux``). Elsewhere ping3 asks: what a busy processor adds
before this process is woken up counts as round trip there.

ping3 5.x speaks IPv4 and IPv6 through raw sockets and falls back to ICMP datagram sockets where raw ones are refused
(Linux without root, when ``net.ipv4.ping_group_range`` lets this group). Three of its habits are mended here: it
swallows errors unless told otherwise, it resolves names on every call (only addresses are given to it), and it takes
time from the wall clock, so that a clock set back an hour would make one probe wait an hour: it gets the monotonic one.
"""

import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, Literal, cast

import ping3
import ping3.errors

from qos.system import clock

Reason = Literal["", "timeout", "unreachable", "no permission", "no such name", "error"]
ProbeKind = Literal["icmp", "tcp"]
"""An ICMP echo, or the handshake of a TCP connection (``qos.system.handshake``)."""
NOT_SENT: Final[frozenset[Reason]] = frozenset({"no permission", "error"})
"""These never left this computer, so they say nothing about the network: they are no loss."""

PAYLOAD_BYTES: Final = 56
"""As ``ping`` sends: 84 bytes on the wire for IPv4, 104 for IPv6."""
_NO_ROUTE: Final = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EINVAL,  # a link-local IPv6 address that does not say on which interface
        10051,  # WSAENETUNREACH
        10065,  # WSAEHOSTUNREACH
    }
)
_REFUSED: Final = frozenset({errno.EPERM, errno.EACCES, 10013})  # the last: WSAEACCES


@dataclass(frozen=True, slots=True)
class EchoReply:
    """One probe's outcome. ``rtt_ns`` is None when no answer came, and ``reason`` says why."""

    rtt_ns: int | None
    reason: Reason = ""
    kind: ProbeKind = "icmp"

    @property
    def sent(self) -> bool:
        """Whether a packet left this computer, or would have but for the network."""
        return self.reason not in NOT_SENT


ping3.EXCEPTIONS = True
ping3.time = SimpleNamespace(time=lambda: clock.monotonic_ns() / 1e9, ctime=lambda _=None: "")


def echo(address: str, timeout_ns: int, seq: int) -> EchoReply:
    """Send one echo request to an IPv4 or IPv6 address and wait for its answer; blocks for up to ``timeout_ns``.

    ``seq`` is the sequence number, taken modulo 2^16. Never raises for what the network or the system says.
    """
    if sys.platform == "linux":
        return _echo_linux(address, timeout_ns, seq)
    started_ns = clock.monotonic_ns()
    try:
        answer = ping3.ping(address, timeout=cast(Any, timeout_ns / 1e9), seq=seq & 0xFFFF, size=PAYLOAD_BYTES)
    except ping3.errors.Timeout:
        return EchoReply(None, "timeout")
    except ping3.errors.HostUnknown:
        return EchoReply(None, "no such name")
    except ping3.errors.PingError:
        return EchoReply(None, "unreachable")
    except OSError as error:
        return EchoReply(None, reason_of(error))
    except (ValueError, ArithmeticError, LookupError):
        return EchoReply(None, "error")  # an answer that ping3 cannot parse, or too many open files
    elapsed_ns = clock.monotonic_ns() - started_ns
    if not isinstance(answer, float):
        return EchoReply(None, "timeout")
    return EchoReply(min(max(round(answer * 1e9), 1), elapsed_ns))


def _echo_linux(address: str, timeout_ns: int, seq: int) -> EchoReply:
    if sys.platform == "linux":
        from qos.system.echo_linux import round_trip_ns

        try:
            return EchoReply(round_trip_ns(address, timeout_ns, seq, PAYLOAD_BYTES))
        except TimeoutError:
            return EchoReply(None, "timeout")
        except socket.gaierror:
            return EchoReply(None, "no such name")
        except OSError as error:
            return EchoReply(None, reason_of(error))
    raise NotImplementedError


def reason_of(error: OSError) -> Reason:
    """What a failed system call means for a probe."""
    if isinstance(error, PermissionError) or error.errno in _REFUSED:
        return "no permission"
    return "unreachable" if error.errno in _NO_ROUTE else "error"


def echo_bytes(address: str) -> int:
    """What one echo, or its answer, takes at the IP layer; 0 over loopback, which no interface counts."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback:
        return 0
    return (20 if parsed.version == 4 else 40) + 8 + PAYLOAD_BYTES


def is_address(target: str) -> bool:
    """Whether the target is an IPv4 or IPv6 address rather than a name."""
    try:
        ipaddress.ip_address(target)
    except ValueError:
        return False
    return True


def resolve(target: str) -> tuple[str, ...]:
    """The addresses of a name, best first (RFC 6724 as the system sorts them); none when there is no such name.

    Blocks for as long as the system's resolver does.
    """
    if is_address(target):
        return (target,)
    try:
        found = socket.getaddrinfo(target, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
