"""Processes as they are born: the kernel's proc connector, so that a process that lives a millisecond still has a name.

A flow event reaches us about 0.1 ms after the first packet, when a very short process may be gone. The exec is reported
earlier, before its first instruction. Forks are reported too: a child that never execs goes by its parent's name.
Only in the first PID namespace, as root. Sources: ``linux/cn_proc.h``, ``linux/connector.h``, bpf(4)'s classic filter
instructions (``linux/filter.h``). The parse is a function of bytes.
"""

import ctypes
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
_FORK, _EXEC = 1, 2
_WHAT_AT: Final = 16 + 20
"""Behind the netlink and the connector header."""
_DATA_AT: Final = _WHAT_AT + 16
_WORDS: Final = struct.Struct("=4I")

_LOAD, _COPY_TO_X, _JUMP_EQUAL, _JUMP_EQUAL_X, _RETURN = 0x20, 0x07, 0x15, 0x1D, 0x06
_FILTER: Final = (
    (_LOAD, 0, 0, _WHAT_AT),
    (_JUMP_EQUAL, 4, 0, socket.htonl(_EXEC)),  # keep
    (_JUMP_EQUAL, 0, 4, socket.htonl(_FORK)),  # anything else: drop
    (_LOAD, 0, 0, _DATA_AT + 8),
    (_COPY_TO_X, 0, 0, 0),
    (_LOAD, 0, 0, _DATA_AT + 12),
    (_JUMP_EQUAL_X, 0, 1, 0),  # a new thread, not a process: drop
    (_RETURN, 0, 0, 0xFFFF),
    (_RETURN, 0, 0, 0),
)
"""Only execs, and forks of processes: everything else (threads, exits, names) is dropped in the kernel."""


def parse(message: bytes) -> tuple[int, int] | None:
    """The PID that was born and its parent's (0 after an exec); None for any other message."""
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


class Births:
    """A thread that tells ``born(pid, parent)`` of each process: parent 0 after an exec. Raises OSError when opened."""

    def __init__(self, born: Callable[[int, int], None]) -> None:
        self._born = born
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
        try:
            program = b"".join(struct.pack("=HBBI", *step) for step in _FILTER)
            buffer = ctypes.create_string_buffer(program)
            fprog = struct.pack("HL", len(_FILTER), ctypes.addressof(buffer))
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._socket.bind((0, _CN_IDX_PROC))
            listen = struct.pack("=I", _PROC_CN_MCAST_LISTEN)
            body = struct.pack("=IIIIHH", _CN_IDX_PROC, 1, 0, 0, len(listen), 0) + listen
            self._socket.send(struct.pack("=IHHII", 16 + len(body), 3, 0, 0, os.getpid()) + body)
        except BaseException:
            self._socket.close()
            raise
        self._stopping = False
        self._socket.settimeout(0.5)
        self._thread = threading.Thread(target=self._run, name="births", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        _hurry()
        while not self._stopping:
            try:
                message = self._socket.recv(4096)
            except TimeoutError:
                continue
            except OSError as error:
                if self._stopping or error.errno != 105:  # ENOBUFS: some were missed, the next ones come
                    return
                continue
            birth = parse(message)
            if birth is not None:
                self._born(*birth)

    def stop(self) -> None:
        """End the thread and close the socket. Safe to call twice."""
        self._stopping = True
        if self._thread is not threading.current_thread():
            self._thread.join(2)
        self._socket.close()
