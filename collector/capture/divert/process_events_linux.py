"""Processes as they start: the kernel's proc connector, so that one that lives a millisecond still has a name.

A flow event reaches us about 0.1 ms after the first packet, when a very short process may be gone. The exec is reported
earlier, before its first instruction. Forks are reported too: a child that never execs goes by its parent's name.
Only in the first PID namespace, as root. Sources: ``linux/cn_proc.h``, ``linux/connector.h``, bpf(4)'s classic filter
instructions (``linux/filter.h``). The parse is a function of bytes.
"""

import ctypes
import errno
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

assert sys.platform == "linux"

_NETLINK_CONNECTOR: Final = 11
_CN_IDX_PROC: Final = 1
_PROC_CN_MCAST_LISTEN: Final = 1
_SO_ATTACH_FILTER: Final = 26
_CLONE_NEWNET: Final = 0x40000000
_FORK, _EXEC = 1, 2
_WHAT_AT: Final = 16 + 20
"""Behind the netlink and the connector header."""
_DATA_AT: Final = _WHAT_AT + 16
_WORDS: Final = struct.Struct("=4I")

_LOAD, _COPY_TO_X, _JUMP_EQUAL, _JUMP_EQUAL_X, _RETURN = 0x20, 0x07, 0x15, 0x1D, 0x06
_FILTER: Final = (
    (_LOAD, 0, 0, _WHAT_AT),
    (_JUMP_EQUAL, 5, 0, socket.htonl(_EXEC)),  # keep
    (_JUMP_EQUAL, 0, 5, socket.htonl(_FORK)),  # anything else: drop
    (_LOAD, 0, 0, _DATA_AT + 8),
    (_COPY_TO_X, 0, 0, 0),
    (_LOAD, 0, 0, _DATA_AT + 12),
    (_JUMP_EQUAL_X, 0, 1, 0),  # a new thread, not a process: drop
    (_RETURN, 0, 0, 0xFFFF),
    (_RETURN, 0, 0, 0),
)
"""Only execs, and forks of processes: everything else (threads, exits, names) is dropped in the kernel."""


def parse(message: bytes) -> tuple[int, int] | None:
    """The PID of the new process and its parent's (0 after an exec); None for any other message."""
    if len(message) < _DATA_AT + _WORDS.size:
        return None
    what = struct.unpack_from("=I", message, _WHAT_AT)[0]
    _first, group, child, child_group = _WORDS.unpack_from(message, _DATA_AT)
    if what == _EXEC:
        return group, 0
    if what == _FORK and child == child_group:
        return child_group, group
    return None


def _hurry() -> None:
    """Let this thread run before others: it does little, and what it looks at may be gone in a millisecond."""
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, -15)


class ProcessEvents:
    """A thread that calls ``on_process(pid, parent)`` for each new process; parent 0 after an exec.

    Raises OSError when opened.
    """

    def __init__(self, on_process: Callable[[int, int], None]) -> None:
        self._on_process = on_process
        self._socket: socket.socket | None = None
        self._error: OSError | None = None
        self._ready = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="process-events", daemon=True)
        self._thread.start()
        self._ready.wait(5)
        if self._socket is None:
            raise self._error or TimeoutError("the proc connector did not answer")

    def _run(self) -> None:
        _hurry()
        try:
            connector = self._socket = _reach_connector()
        except OSError as error:
            self._error = error
            return
        finally:
            self._ready.set()
        with connector:
            while not self._stopping:
                try:
                    message = connector.recv(4096)
                except TimeoutError:
                    continue
                except OSError as error:
                    if error.errno != errno.ENOBUFS:  # some were missed, the next ones come
                        return
                    continue
                event = parse(message)
                if event is not None:
                    self._on_process(*event)

    def stop(self) -> None:
        """End the thread and close the socket. Safe to call twice."""
        self._stopping = True
        self._thread.join(2)


def _reach_connector() -> socket.socket:
    """A socket that hears of new processes, here or in an ancestor's network namespace: the connector is in the first.

    Only this thread goes there. Raises OSError when it is nowhere to be found.
    """
    refused: OSError | None = None
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.getpid()
    while pid:
        try:
            if pid != os.getpid():
                with open(f"/proc/{pid}/ns/net", "rb") as network:
                    libc.setns(network.fileno(), _CLONE_NEWNET)
            return _connector()
        except OSError as error:
            refused = refused or error
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    raise refused or OSError(errno.ENOENT, "no proc connector")


def _connector() -> socket.socket:
    """A socket that hears of new processes. Raises OSError."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
    try:
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _FILTER))
        made.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_FILTER), ctypes.addressof(program))
        )
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((0, _CN_IDX_PROC))
        listen = struct.pack("=I", _PROC_CN_MCAST_LISTEN)
        body = struct.pack("=IIIIHH", _CN_IDX_PROC, 1, 0, 0, len(listen), 0) + listen
        made.send(struct.pack("=IHHII", 16 + len(body), 3, 0, 0, 0) + body)
        made.settimeout(0.5)
    except BaseException:
        made.close()
        raise
    return made
